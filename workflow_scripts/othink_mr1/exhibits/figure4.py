"""Figure 4: impact of the format reward's weight α on accuracy and on format accuracy."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from othink_mr1.exhibits.captions import caption, intervals, labelled, paper_line
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import WEIGHT_PATHS, final, pooled
from othink_mr1.exhibits.labels import methods_line
from othink_mr1.exhibits.marks import per_backbone
from othink_mr1.exhibits.paper_numbers import paper_number, relative_gain
from othink_mr1.exhibits.sweep_panel import sweep_panel

_TITLE = "Impact of the weight of the format reward"
_X = "weight of the format reward, α"
_PATH = WEIGHT_PATHS["format_weight"]


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from format_weight_sweep.csv."""
    frame = final(inputs.study("format_weight_sweep")).dropna(subset="format_weight")
    chart, lines = per_backbone(frame, _chart)
    return Figure("Figure 4", f"{_TITLE} ({methods_line(frame.method)})", chart, frame, lines)


def _chart(frame: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    rows = frame.assign(value=frame.format_weight.astype(float))
    panels = alt.hconcat(
        sweep_panel(rows, _PATH, _X, "r1v", "accuracy", "paper_accuracy"),
        sweep_panel(rows, _PATH, _X, "format", "format accuracy", "paper_format_accuracy"),
        spacing=36,
    )
    paper = paper_line(
        frame, "the paper's format accuracy at α = 0, the only value it prints", "paper_format_accuracy"
    )
    lines = caption(
        frame, f"accuracy at α = 1 relative to α = 0: {gain_line(frame)}", f"bars: {intervals(frame)}", paper
    )
    return panels, lines


def gain_line(frame: pd.DataFrame) -> str:
    """The relative gain of α = 1 over α = 0: ours and the paper's, in words."""
    paper = paper_number(quantity="relative_gain", compared_with="format_weight 0")
    points = labelled(pooled(frame), _PATH)
    lines = []
    for label, line in points.groupby("label", sort=False):
        of = f" ({label})" if points.label.nunique() > 1 else ""
        lines.append(f"ours{of} {_gain(dict(zip(line.format_weight, line.r1v_accuracy, strict=True)))}")
    return f"{'; '.join(lines)}; paper {paper.value:+.2f}%"


def _gain(accuracies: Mapping[float, float]) -> str:
    """accuracies: α -> accuracy, 0..1."""
    if not {0.0, 1.0} <= set(accuracies):
        return "not in this study"
    if accuracies[0.0] == 0:
        return "none, as α = 0 has no correct answer"
    return f"{relative_gain(accuracies[1.0], accuracies[0.0]):+.2%}"
