"""The panel of a sweep: accuracy over the values of one setting."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import altair as alt
import pandas as pd

from othink_mr1.exhibits.captions import labelled, with_paper
from othink_mr1.exhibits.figure_files import AnyChart
from othink_mr1.exhibits.frames import pooled, single_seeds
from othink_mr1.exhibits.marks import domain_of, numbers_row, paper_layers, percent
from othink_mr1.exhibits.theme import QUIET, method_colour, method_shape

_UNEVEN = 5  # the greatest ratio between steps of a sweep's values that a linear axis shows well
_WIDTH, _HEIGHT = 340, 240


def sweep_panel(
    frame: pd.DataFrame, path: str, x_title: str, name: str, title: str, paper_value: str = ""
) -> AnyChart:
    """Line, points, intervals, numbers, and the paper's marks.

    frame: its column `value` is the setting's. Each combination of other varied settings has its own line.
    path: of the setting. name: `r1v` or `format`, the accuracy shown. paper_value: the column with the
    paper's number, if it is shown; values far from ours have a plot of their own beside it, of the same
    number of points from end to end.
    """
    ours = labelled(pooled(frame), path)
    paper = with_paper(frame, paper_value) if paper_value else ours[:0]
    x = _axis(list(ours.value), x_title)
    own = domain_of(ours[f"{name}_low"], ours[f"{name}_high"], from_zero=False)
    both = domain_of(
        ours[f"{name}_low"],
        ours[f"{name}_high"],
        *_ends(paper, paper_value),
        from_zero=False,
    )
    together = both[1] - both[0] <= 2 * (own[1] - own[0])
    layers = _ours(ours, frame, x, partial(percent, title=title, domain=both if together else own), name)
    if len(paper) and together:
        layers += paper_layers(paper, x, partial(percent, title=title, domain=both), paper_value, xOffset=10)
    chart: AnyChart = alt.layer(*layers).properties(width=_WIDTH, height=_HEIGHT)
    if len(paper) and not together:
        middle, span = float(paper[paper_value].mean()), own[1] - own[0]
        low = min(max(0.0, middle - span / 2), 1.0 - span)
        y = partial(percent, title=f"{title}, the paper's", domain=(low, low + span))
        beside = alt.layer(*paper_layers(paper, _axis(list(paper.value), x_title), y, paper_value, clip=True))
        chart = alt.hconcat(chart, beside.properties(width=_WIDTH / 3, height=_HEIGHT), spacing=24)
    return chart


def setting_value(varied: str, path: str) -> Any:
    """The value of a setting in a row's `varied`, as a number where it is one; "" without it."""
    text = dict(part.split("=", 1) for part in varied.split("; ") if part).get(path, "")
    try:
        return float(text)
    except ValueError:
        return text


def _axis(values: list[Any], title: str) -> alt.X:
    """Numbers on a line, or on a logarithmic one where they need it; anything else side by side."""
    values = list(dict.fromkeys(values))
    if not all(isinstance(value, float) for value in values):
        return alt.X(
            "value:N", sort=[str(value) for value in values], title=title, axis=alt.Axis(labelLimit=0)
        )
    values.sort()
    # labelExpr, because Vega's own formats round the values of a sweep (0.25 to 0.3).
    axis = alt.Axis(values=values, labelExpr="datum.value", labelOverlap=True)
    gaps = [after - before for before, after in pairwise(values)]
    scale = alt.Scale(nice=False, padding=24, zero=False)
    if gaps and max(gaps) > _UNEVEN * min(gaps) and values[0] >= 0:  # numbers above them would overlap
        smallest = min(value for value in values if value > 0)
        scale = alt.Scale(type="symlog", constant=smallest, nice=False, padding=24)
        title += " (logarithmic but for 0)" if values[0] == 0 else " (logarithmic)"
    return alt.X("value:Q", title=title, scale=scale, axis=axis)


def _ours(ours: pd.DataFrame, frame: pd.DataFrame, x: alt.X, y: Any, name: str) -> list[alt.Chart]:
    colour, shape = method_colour(ours.method), method_shape(ours.method)
    alone = ours.label.nunique() == 1
    if alone:
        colour, shape = colour.legend(None), shape.legend(None)
    base = alt.Chart(ours).encode(x=x, color=colour)
    on_a_line = all(isinstance(value, float) for value in ours.value)
    layers = [
        base.mark_line(strokeWidth=1.8 if on_a_line else 0).encode(y=y(f"{name}_accuracy")),
        base.mark_rule(strokeWidth=1.4).encode(y=y(f"{name}_low"), y2=f"{name}_high:Q"),
        base.mark_point(filled=True, size=80, opacity=1).encode(y=y(f"{name}_accuracy"), shape=shape),
    ]
    if alone:  # the numbers of several lines would overlap
        layers.append(numbers_row(ours, x, f"{name}_accuracy"))
    seeds = single_seeds(frame)
    if len(seeds):
        dots = alt.Chart(seeds).mark_circle(size=18, opacity=0.7, color=QUIET)
        layers.append(dots.encode(x=x, y=y(f"{name}_accuracy")))
    return layers


def _ends(paper: pd.DataFrame, value: str) -> list[pd.Series]:
    """The paper's values, and the ends of their intervals where it has some."""
    if paper.empty:
        return []
    return [paper[value], *([paper.paper_low, paper.paper_high] if value == "paper_accuracy" else [])]
