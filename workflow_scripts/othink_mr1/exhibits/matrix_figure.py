"""Every task trained, every task tested: a matrix of accuracies per method, for any number of tasks."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from othink_mr1.exhibits.captions import caption, intervals
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import by_setting, final, pooled
from othink_mr1.exhibits.labels import method_label, method_styles, task_label
from othink_mr1.exhibits.marks import per_backbone
from othink_mr1.exhibits.theme import INK, SIZE

_CELL = 124  # pixels
_COLUMNS = 2  # of matrices
_UNTRAINED = "nothing"


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from same_task.csv and cross_task.csv."""
    frame = matrix_rows([inputs.study("same_task"), inputs.study("cross_task")])
    chart, lines = per_backbone(frame, _chart)
    return Figure("", "Every task trained, every task tested", chart, frame, lines)


def matrix_rows(studies: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of studies' final checkpoints, each once. The untrained backbone has no training task."""
    rows = pd.concat([final(frame) for frame in studies], ignore_index=True)
    return rows.drop_duplicates(["point", "seed"]).reset_index(drop=True)


def _chart(frame: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    shown = by_setting(pooled(frame))
    shown = shown.assign(
        trained=[task_label(task) if task else _UNTRAINED for task in shown.trained_on],
        tested=shown.tested_on.map(task_label),
        said=[f"{100 * value:.1f}" for value in shown.r1v_accuracy],
        limits=[f"{100 * a:.1f}–{100 * b:.1f}" for a, b in zip(shown.r1v_low, shown.r1v_high, strict=True)],
        own=shown.trained_on == shown.tested_on,
    )
    tested = list(dict.fromkeys(shown.tested))
    untrained = shown[shown.trained == _UNTRAINED]
    base = untrained[untrained.method == untrained.method.iloc[0]] if len(untrained) else untrained
    panels = []
    for method in method_styles(shown.method):
        own = shown[shown.method == method]
        if method in set(base.method):
            continue
        # Another's checkpoint may have been trained on no task here.
        rows = own if (own.trained == _UNTRAINED).any() else pd.concat([base, own])
        panels.append(_matrix(rows, method_label(method), tested))
    panels = panels or [_matrix(base, "", tested)]
    small = f"small numbers: {intervals(frame)}"
    lines = caption(frame, small, "framed: the task that was trained on", dots=False)
    return alt.concat(*panels, columns=_COLUMNS, spacing=40), lines


def _matrix(rows: pd.DataFrame, title: str, tested: list[str]) -> AnyChart:
    order = [_UNTRAINED, *(task for task in tested if task in set(rows.trained))]
    x = alt.X("tested:N", sort=tested, title="tested on", axis=alt.Axis(orient="top", labelLimit=_CELL))
    y = alt.Y("trained:N", sort=order, title="trained on", axis=alt.Axis(labelLimit=0))
    base = alt.Chart(rows).encode(x=x, y=y)
    colour = alt.Color(
        "r1v_accuracy:Q",
        scale=alt.Scale(domain=[0, 1], range=["#FFFFFF", "#56B4E9"], interpolate="rgb"),
        legend=None,
    )
    frames = alt.Chart(rows[rows.own]).encode(x=x, y=y)
    layers = [
        base.mark_rect(stroke="#DDDDDD").encode(color=colour),
        frames.mark_rect(stroke=INK, strokeWidth=1.6, filled=False),
        base.mark_text(fontSize=SIZE + 2, dy=-6, color=INK).encode(text="said:N"),
        base.mark_text(fontSize=SIZE - 2, dy=10, color=INK).encode(text="limits:N"),
    ]
    size = {"width": alt.Step(_CELL), "height": alt.Step(_CELL * 0.45)}
    return alt.layer(*layers).properties(**size, title=alt.Title(title, fontSize=SIZE + 1, offset=8))
