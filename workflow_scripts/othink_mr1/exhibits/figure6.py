"""Figure 6: impact of the constant KL weight β on accuracy.

The hollow mark is table 1's GRPO, which the paper ran at β = 0.01; it prints no other value of this figure.
"""

from __future__ import annotations

import pandas as pd

from othink_mr1.exhibits.captions import caption, intervals, paper_line
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import WEIGHT_PATHS, final
from othink_mr1.exhibits.labels import methods_line
from othink_mr1.exhibits.marks import per_backbone
from othink_mr1.exhibits.sweep_panel import sweep_panel

_TITLE = "Impact of the weight of the KL divergence"


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from kl_weight_sweep.csv."""
    frame = final(inputs.study("kl_weight_sweep")).dropna(subset="kl_weight")
    chart, lines = per_backbone(frame, _chart)
    return Figure("Figure 6", f"{_TITLE} ({methods_line(frame.method)})", chart, frame, lines)


def _chart(frame: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    rows = frame.assign(value=frame.kl_weight.astype(float))
    path = WEIGHT_PATHS["kl_weight"]
    panel = sweep_panel(rows, path, "constant KL weight, β", "r1v", "accuracy", "paper_accuracy")
    paper = paper_line(frame, "the paper's table 1 (β = 0.01; it prints no other point)")
    return panel, caption(frame, f"bars: {intervals(frame)}", paper)
