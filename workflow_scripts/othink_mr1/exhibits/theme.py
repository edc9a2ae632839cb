"""The look of all figures: one font, plain axes, and the methods' colours and shapes as channels."""

from __future__ import annotations

from collections.abc import Iterable

import altair as alt

from othink_mr1.exhibits.font import FAMILY
from othink_mr1.exhibits.labels import method_styles

INK, QUIET, FAINT = "#222222", "#666666", "#DDDDDD"
SIZE = 12  # pixels


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
