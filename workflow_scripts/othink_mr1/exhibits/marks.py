"""Pieces that several figures share: axes, the paper's hollow marks, captions, the panel of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any

import altair as alt
import pandas as pd

from othink_mr1.exhibits.figure_files import AnyChart
from othink_mr1.exhibits.frames import ALL_SEEDS, WEIGHT_PATHS, by_setting, final, pooled, single_seeds
from othink_mr1.exhibits.text import wrapped
from othink_mr1.exhibits.theme import (
    INK,
    QUIET,
    SIZE,
    method_colour,
    method_label,
    method_shape,
    task_label,
    task_letters,
)

_UNEVEN = 5  # the greatest ratio between steps of a sweep's values that a linear axis shows well
_MOST_CUT = 4  # the most methods whose share of cut answers the caption gives; the csv has all

# The paper's values. The caption explains the mark, see paper_line().
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
    # The domain extends above 100 %, where no labels belong.
    label = f"datum.value > 1.0001 ? '' : format(datum.value, '.{decimals}%')"
    axis = alt.Axis(labelExpr=label, tickCount=6)
    return alt.Y(f"{field}:Q", title=title, scale=alt.Scale(domain=list(domain), nice=False), axis=axis)


def domain_of(*columns: Iterable[float], from_zero: bool) -> tuple[float, float]:
    """Limits of a y axis that hold all values of 0..1 and leave room for marks and numbers above them."""
    values = [value for column in columns for value in column if not pd.isna(value)] or [0.0, 0.1]
    low, high = (0.0 if from_zero else min(values)), max(values)
    room = max(0.02, high - low)
    return (0.0 if from_zero else max(-0.02, low - 0.08 * room)), high + 0.18 * room


def with_paper(frame: pd.DataFrame, value: str = "paper_accuracy") -> pd.DataFrame:
    """The pooled rows that the paper has a value for."""
    rows = pooled(frame)
    return rows[rows[value].notna()]


def paper_line(frame: pd.DataFrame, what: str, value: str = "paper_accuracy") -> str:
    """Explains the hollow marks: every figure that has them must say that they are of another backbone."""
    rows = with_paper(frame, value)
    if rows.empty:
        return "the paper prints no values to compare with these"
    names = " and ".join(dict.fromkeys(rows.paper_backbone))
    return f"○ {what}, for its own backbone, {names}"


def caption(frame: pd.DataFrame, *more: str) -> list[str]:
    """The subtitle: which backbone, items and seeds; what the figure adds; answers that were cut; what the
    runs were trained on."""
    backbones = ", ".join(dict.fromkeys(frame.backbone))
    sizes = {str(task): int(rows["items"].min()) for task, rows in frame.groupby("tested_on", sort=False)}
    items = ", ".join(f"{number} test items of {task_label(task)}" for task, number in sizes.items())
    ours = "; ".join(part for part in (f"ours: {backbones}", items, _seeds(frame)) if part)
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


def titled(title: str, lines: list[str], width: float) -> alt.Title:
    """A figure's title, and under it lines that are wrapped to the figure's width."""
    size = SIZE - 1
    return alt.Title(title, subtitle=[part for line in lines for part in wrapped(line, width, size)])


def numbers_row(ours: pd.DataFrame, x: alt.X, field: str) -> alt.Chart:
    """The accuracies as numbers, in a row above all marks, where domain_of leaves room."""
    text = alt.Text(f"{field}:Q", format=".1%")
    row = alt.Chart(ours).mark_text(baseline="top", dy=1, fontSize=SIZE - 1, color=INK)
    return row.encode(x=x, y=alt.value(0), text=text)


def per_backbone(title: str, frame: pd.DataFrame, draw: Callable[[pd.DataFrame], AnyChart]) -> AnyChart:
    """One chart per backbone, below each other; without any rows, a picture that says so."""
    charts = [draw(rows) for _, rows in frame.groupby("backbone", sort=False)]
    if not charts:
        said = alt.Chart(pd.DataFrame({"text": ["this study has no such runs"]})).mark_text(
            fontSize=SIZE, color=QUIET
        )
        return said.encode(text="text:N").properties(width=480, height=80, title=title)
    return charts[0] if len(charts) == 1 else alt.vconcat(*charts, spacing=40)


def sweep_panel(
    frame: pd.DataFrame, x: str, x_title: str, name: str, title: str, paper_value: str
) -> AnyChart:
    """Accuracy over the values of one setting: line, points, intervals, numbers, the paper's marks.

    Each combination of other varied settings has its own line. name: `r1v` or `format`, the accuracy shown.
    paper_value: the column with the paper's number.
    """
    ours, paper = labelled(pooled(frame), WEIGHT_PATHS[x]), with_paper(frame, paper_value)
    # labelExpr, because Vega's own formats round the values of a sweep (0.25 to 0.3).
    values = sorted(set(ours[x]))
    axis = alt.Axis(values=values, labelExpr="datum.value")
    scale = alt.Scale(nice=False, padding=24)
    gaps = [after - before for before, after in pairwise(values)]
    if gaps and max(gaps) > _UNEVEN * min(gaps):  # the numbers above them would overlap
        scale = alt.Scale(type="symlog", constant=min(v for v in values if v > 0), nice=False, padding=24)
        x_title += " (logarithmic but for 0)"
    position = alt.X(f"{x}:Q", title=x_title, scale=scale, axis=axis)
    domain = domain_of(ours[f"{name}_low"], ours[f"{name}_high"], paper[paper_value], from_zero=False)
    colour, shape = method_colour(ours.method), method_shape(ours.method)
    if ours.label.nunique() == 1:
        colour, shape = colour.legend(None), shape.legend(None)
    y = partial(percent, title=title, domain=domain)
    base = alt.Chart(ours).encode(x=position)
    high = f"{name}_high"
    layers: list[alt.Chart] = [
        base.mark_line(strokeWidth=1.8).encode(y=y(f"{name}_accuracy"), color=colour),
        base.mark_rule(strokeWidth=1.4).encode(y=y(f"{name}_low"), y2=f"{high}:Q", color=colour),
        base.mark_point(filled=True, size=80, opacity=1).encode(
            y=y(f"{name}_accuracy"), color=colour, shape=shape
        ),
    ]
    if ours.label.nunique() == 1:  # the numbers of several lines would overlap
        layers.append(numbers_row(ours, position, f"{name}_accuracy"))
    seeds = single_seeds(frame)
    if len(seeds):
        dots = alt.Chart(seeds).mark_circle(size=18, opacity=0.7, color=QUIET)
        layers.append(dots.encode(x=position, y=y(f"{name}_accuracy")))
    if len(paper):
        layers.append(alt.Chart(paper).mark_point(**HOLLOW, xOffset=10).encode(x=position, y=y(paper_value)))
    return alt.layer(*layers).properties(width=320, height=240)


def _seeds(frame: pd.DataFrame) -> str:
    several = sorted(set(single_seeds(frame).seed) - {""}, key=int)
    if several:
        return f"means over seeds {', '.join(several)}, small dots: single seeds"
    only = sorted(set(frame.seed) - {""}, key=int)
    return f"seed {', '.join(only)}" if only else ""
