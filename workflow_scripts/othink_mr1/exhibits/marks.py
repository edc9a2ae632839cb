"""Pieces that several figures share: axes, the paper's hollow marks, a chart per backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import altair as alt
import pandas as pd

from othink_mr1.exhibits.figure_files import AnyChart
from othink_mr1.exhibits.theme import INK, QUIET, SIZE

# The paper's values. The legend and the caption explain the mark.
HOLLOW: dict[str, Any] = {
    "shape": "circle",
    "filled": True,
    "fill": "white",
    "stroke": INK,
    "size": 120,
    "strokeWidth": 1.6,
    "opacity": 1,
}


def percent(field: str, title: str | None, domain: tuple[float, float]) -> alt.Y:
    """A y axis for accuracies of 0..1, labelled in percent."""
    decimals = 0 if domain[1] - domain[0] > 0.06 else 1  # else neighbouring ticks would have the same label
    axis = alt.Axis(format=f".{decimals}%", tickCount=6)
    return alt.Y(f"{field}:Q", title=title, scale=alt.Scale(domain=list(domain), nice=False), axis=axis)


def count_axis(ticks: int) -> alt.Axis:
    """An axis for numbers of steps, with labels as 2k; Vega's own would be 0k at 0."""
    return alt.Axis(format="~s", tickCount=ticks, labelExpr="datum.value === 0 ? '0' : datum.label")


def domain_of(*columns: Iterable[float], from_zero: bool) -> tuple[float, float]:
    """Limits of a y axis that hold all values of 0..1, with room, and never pass 0 or 1."""
    values = [value for column in columns for value in column if not pd.isna(value)] or [0.0, 0.1]
    low, high = (0.0 if from_zero else min(values)), max(values)
    room = 0.08 * max(0.02, high - low)
    return (0.0 if from_zero else max(0.0, low - room)), min(1.0, high + room)


def paper_layers(
    rows: pd.DataFrame, x: alt.X, y: Callable[[str], alt.Y], value: str = "paper_accuracy", **place: Any
) -> list[alt.Chart]:
    """The paper's hollow marks with their intervals, and a legend's entry. rows: of with_paper, not empty."""
    label = f"the paper, {' and '.join(dict.fromkeys(rows.paper_backbone))}"
    rows = rows.assign(paper=label)
    legend = alt.Legend(title=None, symbolType="circle", symbolFillColor="white", symbolStrokeWidth=1.6)
    entry = alt.Stroke("paper:N", scale=alt.Scale(domain=[label], range=[INK]), legend=legend)
    base = alt.Chart(rows).encode(x=x)
    layers = [base.mark_point(**HOLLOW, **place).encode(y=y(value), stroke=entry)]
    if value == "paper_accuracy":
        bars = base.mark_rule(strokeWidth=1.2, color=INK, **place)
        layers.insert(0, bars.encode(y=y("paper_low"), y2="paper_high:Q"))
    return layers


def numbers_row(ours: pd.DataFrame, x: alt.X, field: str) -> alt.Chart:
    """The accuracies as numbers, in a row above the plot."""
    text = alt.Text(f"{field}:Q", format=".1%")
    row = alt.Chart(ours).mark_text(baseline="bottom", dy=-6, fontSize=SIZE - 1, color=INK)
    return row.encode(x=x, y=alt.value(0), text=text)


def per_backbone(
    frame: pd.DataFrame, draw: Callable[[pd.DataFrame], tuple[AnyChart, list[str]]]
) -> tuple[AnyChart, list[str]]:
    """One chart per backbone, below each other, and their captions; without rows, a picture that says so."""
    drawn = [(str(name), *draw(rows)) for name, rows in frame.groupby("backbone", sort=False)]
    if not drawn:
        said = alt.Chart(pd.DataFrame({"text": ["this study has no such runs"]})).mark_text(
            fontSize=SIZE, color=QUIET
        )
        return said.encode(text="text:N").properties(width=480, height=80), []
    if len(drawn) == 1:
        return drawn[0][1], drawn[0][2]
    charts = [chart.properties(title=name) for name, chart, _ in drawn]
    return alt.vconcat(*charts, spacing=40), [line for *_, lines in drawn for line in lines]
