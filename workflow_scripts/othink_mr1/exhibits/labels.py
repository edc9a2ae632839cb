"""Printed names of methods and tasks, and the colour, shape and order of methods.

Colours are Okabe and Ito's, which colour-blind readers can distinguish. They get darker in the methods'
order, so that they can be distinguished in greyscale.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


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


def methods_line(methods: Iterable[str]) -> str:
    """Printed names, in the order of legends: `SFT, GRPO and GRPO-D`."""
    *others, last = [style.label for style in method_styles(methods).values()] or ["no method"]
    return f"{', '.join(others)} and {last}" if others else last


def task_label(task: str) -> str:
    """A task's printed name."""
    return _TASKS[task][0] if task in _TASKS else task


def task_letters(task: str) -> str:
    """The paper's abbreviation of a task, or the task's name."""
    return _TASKS[task][1] if task in _TASKS else task
