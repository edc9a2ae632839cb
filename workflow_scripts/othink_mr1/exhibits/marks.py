"""Pieces that several figures share: axes, the paper's hollow marks, captions, a chart per backbone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import altair as alt
import pandas as pd

from othink_mr1.exhibits.figure_files import AnyChart
from othink_mr1.exhibits.frames import ALL_SEEDS, by_setting, final, pooled, single_seeds
from othink_mr1.exhibits.theme import (
    INK,
    QUIET,
    SIZE,
    method_label,
    task_label,
    task_letters,
)

_MOST_CUT = 4  # the most methods whose share of cut answers the caption gives; the csv has all

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


def labelled(frame: pd.DataFrame, axis: str = "") -> pd.DataFrame:
    """The frame with a column `label`: the method's printed name and the settings that vary.

    If the trained rows are of several pairs of tasks, the label also names the pair, so that a line or colour
    is never of two pairs. axis: path of a setting that is not named, as it is the figure's axis.
    """
    frame = by_setting(frame, axis)
    if "trained_on" in frame:
        pairs = frame.trained_on.map(task_letters) + " → " + frame.tested_on.map(task_letters)
        trained = frame.trained_on != ""
        if pairs[trained].nunique() > 1:
            frame = frame.assign(method=frame.method.where(~trained, frame.method + ", " + pairs))
    return frame.assign(label=[method_label(method) for method in frame.method])


def intervals(frame: pd.DataFrame) -> str:
    """What the bars or bands show, for the caption."""
    return f"95 % intervals of {spread_line(frame)}"


def spread_line(frame: pd.DataFrame) -> str:
    """What the intervals cover, in words. Below three seeds the spread between seeds is unknown."""
    trained = pooled(frame)
    trained = trained[trained.seed != ""]
    known = trained.spread == "items and seeds"
    if len(trained) and known.all():
        return "items and seeds"
    alone = "the items alone, as fewer than three seeds do not tell how seeds spread"
    return f"items and seeds, or {alone}" if known.any() else alone


def percent(field: str, title: str | None, domain: tuple[float, float]) -> alt.Y:
    """A y axis for accuracies of 0..1, labelled in percent."""
    decimals = 0 if domain[1] - domain[0] > 0.06 else 1  # else neighbouring ticks would have the same label
    axis = alt.Axis(format=f".{decimals}%", tickCount=6)
    return alt.Y(f"{field}:Q", title=title, scale=alt.Scale(domain=list(domain), nice=False), axis=axis)


def domain_of(*columns: Iterable[float], from_zero: bool) -> tuple[float, float]:
    """Limits of a y axis that hold all values of 0..1, with room, and never pass 0 or 1."""
    values = [value for column in columns for value in column if not pd.isna(value)] or [0.0, 0.1]
    low, high = (0.0 if from_zero else min(values)), max(values)
    room = 0.08 * max(0.02, high - low)
    return (0.0 if from_zero else max(0.0, low - room)), min(1.0, high + room)


def with_paper(frame: pd.DataFrame, value: str = "paper_accuracy") -> pd.DataFrame:
    """The pooled rows that the paper has a value for."""
    rows = pooled(frame)
    return rows[rows[value].notna()]


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


def paper_line(frame: pd.DataFrame, what: str, value: str = "paper_accuracy") -> str:
    """Explains the hollow marks: every figure that has them must say that they are of another backbone."""
    rows = with_paper(frame, value)
    if rows.empty:
        return "the paper prints no values to compare with these"
    names = " and ".join(dict.fromkeys(rows.paper_backbone))
    known = ", with Wilson's intervals" if value == "paper_accuracy" else ""
    return f"open circles: {what}, for its own backbone, {names}{known}"


def caption(frame: pd.DataFrame, *more: str, dots: bool = True) -> list[str]:
    """The subtitle: which backbone, items and seeds; what the figure adds; answers that were cut; what the
    runs were trained on. dots: whether the figure has them for single seeds."""
    backbones = ", ".join(dict.fromkeys(frame.backbone))
    sizes = {str(task): int(rows["items"].min()) for task, rows in frame.groupby("tested_on", sort=False)}
    items = ", ".join(f"{number} test items of {task_label(task)}" for task, number in sizes.items())
    ours = "; ".join(part for part in (f"ours: {backbones}", items, _seeds(frame, dots)) if part)
    return [ours, *more, cut_note(frame), *leaks_note(frame)]


def cut_note(frame: pd.DataFrame) -> str:
    """Which methods' answers were cut at max_new_tokens: a cut answer seldom has an answer tag."""
    rows = labelled(pooled(final(frame)))
    rows = rows[rows.truncated_share > 0].sort_values("truncated_share", ascending=False, kind="stable")
    if rows.empty:
        return "no answer was cut at max_new_tokens"
    shown = [
        f"{label}{'' if '→' in label else f' {task_letters(task)}'} {share:.1%}"
        for label, task, share in zip(rows.label, rows.tested_on, rows.truncated_share, strict=True)
    ]
    more = f", and {len(shown) - _MOST_CUT} more in the csv" if len(shown) > _MOST_CUT else ""
    return f"answers cut at max_new_tokens: {', '.join(shown[:_MOST_CUT])}{more}"


def leaks_note(frame: pd.DataFrame) -> list[str]:
    """A line that says how many test items the runs of a study were trained on; none without such runs."""
    rows = frame[frame.shared_items.notna() & (frame.seed != ALL_SEEDS)]
    counts = []
    for (trained_on, tested_on), found in rows.groupby(["trained_on", "tested_on"], sort=False):
        pair = f"{task_letters(str(trained_on))} → {task_letters(str(tested_on))}"
        row = found.iloc[0]
        counts.append(
            f"{task_label(str(tested_on)) if trained_on == tested_on else pair} "
            f"{row.shared_items:.0f} of {row['items']:.0f} ({row.near_shared_items:.0f} near)"
        )
    return [f"test items that also stand in the training set: {', '.join(counts)}"] if counts else []


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


def _seeds(frame: pd.DataFrame, dots: bool) -> str:
    several = sorted(set(single_seeds(frame).seed) - {""}, key=int)
    if several:
        return f"means over seeds {', '.join(several)}" + (", small dots: single seeds" if dots else "")
    only = sorted(set(frame.seed) - {""}, key=int)
    return f"seed {', '.join(only)}" if only else ""
