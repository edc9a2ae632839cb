"""Figure 6: impact of the constant KL weight β on accuracy.

The hollow mark is table 1's GRPO, which the paper ran at β = 0.01; it prints no other value of this figure.
"""

from __future__ import annotations

import pandas as pd

from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import final
from othink_mr1.exhibits.marks import caption, intervals, paper_line, per_backbone, sweep_panel, titled

_TITLE = "Figure 6 · Impact of the weight of the KL divergence (GRPO)"


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from kl_weight_sweep.csv."""
    frame = final(inputs.study("kl_weight_sweep"))
    return Figure(per_backbone(_TITLE, frame, _chart), frame)


def _chart(frame: pd.DataFrame) -> AnyChart:
    panel = sweep_panel(frame, "kl_weight", "constant KL weight, β", "r1v", "accuracy", "paper_accuracy")
    paper = paper_line(frame, "the paper's table 1 (β = 0.01; it prints no other point)")
    title = titled(_TITLE, caption(frame, f"bars: {intervals(frame)}", paper), 540)
    return panel.properties(width=500, height=270, title=title)
