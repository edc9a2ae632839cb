"""Figure 7: cross-task validation: trained on one task, tested on the other."""

from __future__ import annotations

from functools import partial

import altair as alt
import pandas as pd

from othink_mr1.exhibits.captions import caption, intervals, labelled, paper_line, with_paper
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import final, pooled, single_seeds
from othink_mr1.exhibits.labels import method_styles, task_label, task_letters
from othink_mr1.exhibits.marks import domain_of, numbers_row, paper_layers, per_backbone, percent
from othink_mr1.exhibits.theme import INK, SIZE, method_colour

_TITLE = "Cross-task validation"
_COLUMNS = 3  # of panels
# The paper's names for the directions.
_DIRECTIONS = {
    ("geometry", "counting"): "reasoning → understanding",
    ("counting", "geometry"): "understanding → reasoning",
}


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from cross_task.csv."""
    frame = by_direction(inputs.study("cross_task"))
    chart, lines = per_backbone(frame, _chart)
    return Figure("Figure 7", _TITLE, chart, frame, lines)


def _chart(frame: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    found = list(dict.fromkeys(zip(frame.trained, frame.tested_on, strict=True)))
    order = [key for key in _DIRECTIONS if key in found] + [key for key in found if key not in _DIRECTIONS]
    ours, paper = pooled(final(frame)), with_paper(final(frame))
    domain = domain_of(ours.r1v_high, paper.paper_accuracy, paper.paper_high, from_zero=True)
    panels = [
        _panel(frame[(frame.trained == start) & (frame.tested_on == end)], start, end, domain)
        for start, end in order
    ]
    lines = caption(
        frame,
        f"bars: {intervals(frame)}; all panels have one scale",
        paper_line(frame, "the paper's values (it prints none for GRPO)"),
    )
    return alt.concat(*panels, columns=_COLUMNS, spacing=40), lines


def by_direction(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows whose test task is not their training task; the direction's training task is in `trained`.

    The untrained backbone is in every direction to the task that it is tested on.
    """
    trained = frame[(frame.trained_on != "") & (frame.trained_on != frame.tested_on)]
    trained = trained.assign(trained=trained.trained_on)
    base = frame[frame.trained_on == ""]
    parts = []
    for (start, end), rows in trained.groupby(["trained", "tested_on"], sort=False):
        parts += [base[base.tested_on == end].assign(trained=str(start)), rows]
    return pd.concat(parts, ignore_index=True) if parts else trained


def _panel(frame: pd.DataFrame, trained: str, tested: str, domain: tuple[float, float]) -> AnyChart:
    ours, paper = labelled(pooled(final(frame))), labelled(with_paper(final(frame)))
    order = [style.label for style in method_styles(ours.method).values()]
    # Settings that the study varies are printed below the method, each on its own line.
    axis = alt.Axis(labelFontSize=SIZE, ticks=False, labelExpr="split(datum.label, ', ')")
    x = alt.X("label:N", sort=order, title=None, axis=axis)
    y = partial(percent, title=f"accuracy, {task_label(tested)}", domain=domain)
    base = alt.Chart(ours).encode(x=x)
    layers: list[alt.Chart] = [
        base.mark_bar(size=44).encode(y=y("r1v_accuracy"), color=method_colour(ours.method).legend(None)),
        base.mark_rule(strokeWidth=1.4, color=INK).encode(y=y("r1v_low"), y2="r1v_high:Q"),
        numbers_row(ours, x, "r1v_accuracy"),
    ]
    seeds = single_seeds(frame)
    if len(seeds):
        dots = alt.Chart(labelled(seeds)).mark_circle(size=18, color=INK, opacity=0.7, xOffset=-13)
        layers.append(dots.encode(x=x, y=y("r1v_accuracy")))
    if len(paper):
        layers += paper_layers(paper, x, y, xOffset=15)
    letters = f"trained on {task_letters(trained)}, tested on {task_letters(tested)}"
    name = _DIRECTIONS.get((trained, tested))
    title = alt.Title(
        name or letters, subtitle=letters if name else "", fontSize=SIZE + 1, anchor="middle", offset=24
    )
    step = 66 if not ours.varied.any() else 8 * ours.varied.str.split("; ").explode().str.len().max()
    return alt.layer(*layers).properties(width=alt.Step(max(66, step)), height=260, title=title)
