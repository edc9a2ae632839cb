"""The look of all figures: one colour, shape, order and label per method, one font, plain axes.

Colours are Okabe and Ito's, which colour-blind readers can distinguish. They get darker in the methods'
order, so that they can be distinguished in greyscale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import altair as alt

from othink_mr1.exhibits.font import FAMILY

INK, QUIET, FAINT = "#222222", "#666666", "#DDDDDD"
SIZE = 12  # pixels


@dataclass(frozen=True)
class MethodStyle:
    """How a method looks everywhere."""

    label: str
    colour: str
    shape: str


METHODS = {
    "base": MethodStyle("base", "#BDBDBD", "square"),
    "sft": MethodStyle("SFT", "#E69F00", "triangle-up"),
    "grpo": MethodStyle("GRPO", "#009E73", "diamond"),
    "grpo-d": MethodStyle("GRPO-D", "#0072B2", "circle"),
}
# For methods that the user adds to the config.
_MORE = (
    ("#CC79A7", "cross"),
    ("#D55E00", "triangle-down"),
    ("#56B4E9", "triangle-right"),
    ("#000000", "stroke"),
)

_TASKS = {"counting": ("visual counting", "VC"), "geometry": ("geometry reasoning", "GR")}


def method_styles(methods: Iterable[str]) -> dict[str, MethodStyle]:
    """Method -> style, in the order of legends and axes: known methods first, then the others by name."""
    present = set(methods)
    styles = {name: style for name, style in METHODS.items() if name in present}
    for number, name in enumerate(sorted(present - set(METHODS))):
        colour = _MORE[number % len(_MORE)][0]
        shape = _MORE[(number + number // len(_MORE)) % len(_MORE)][1]  # another one when colours repeat
        styles[name] = MethodStyle(method_label(name), colour, shape)
    return styles


def method_label(method: str) -> str:
    """A method's printed name, also with settings appended (frames.by_setting)."""
    name, comma, settings = method.partition(",")
    return (METHODS[name].label if name in METHODS else name) + comma + settings


def task_label(task: str) -> str:
    """A task's printed name."""
    return _TASKS[task][0] if task in _TASKS else task


def task_letters(task: str) -> str:
    """The paper's abbreviation of a task, or the task's name."""
    return _TASKS[task][1] if task in _TASKS else task


def method_colour(methods: Iterable[str]) -> alt.Color:
    """The colour channel by `label`, for the methods that occur."""
    styles = method_styles(methods).values()
    scale = alt.Scale(domain=[style.label for style in styles], range=[style.colour for style in styles])
    return alt.Color("label:N", scale=scale, title=None)


def method_shape(methods: Iterable[str]) -> alt.Shape:
    """The shape channel by `label`, for the methods that occur."""
    styles = method_styles(methods).values()
    scale = alt.Scale(domain=[style.label for style in styles], range=[style.shape for style in styles])
    return alt.Shape("label:N", scale=scale, title=None)


@alt.theme.register("othink_mr1", enable=True)
def _theme() -> alt.theme.ThemeConfig:
    axis: alt.theme.AxisConfigKwds = {
        "labelFontSize": SIZE - 1,
        "titleFontSize": SIZE,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": "#EEEEEE",
        "domainColor": QUIET,
        "tickColor": QUIET,
        "titlePadding": 8,
    }
    return {
        "background": "white",
        "padding": 12,
        "config": {
            "font": FAMILY,
            "view": {"stroke": None},
            "axis": axis,
            "axisX": {"grid": False, "labelAngle": 0},
            "title": {
                "anchor": "start",
                "fontSize": SIZE + 3,
                "fontWeight": "normal",
                "color": INK,
                "subtitleFontSize": SIZE - 1,
                "subtitleColor": QUIET,
                "subtitleLineHeight": SIZE + 3,
                "subtitlePadding": 5,
                "offset": 14,
            },
            "header": {"labelFontSize": SIZE, "titleFontSize": SIZE, "labelFontWeight": "normal"},
            "legend": {
                "labelFontSize": SIZE - 1,
                "titleFontSize": SIZE - 1,
                "titleFontWeight": "normal",
                "titleColor": QUIET,
                "symbolSize": 80,
                "orient": "top",
                "offset": 24,  # above the row of numbers
                "labelLimit": 400,
                "titleLimit": 400,
            },
        },
    }
