"""How systems and phases are called and coloured, in charts and tables."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from benchmarks.speed.rounds import phase_columns

SYSTEMS = {"ours": "this project", "trl": "TRL 1.16", "r1v": "R1-V's logic", "generate": "generate"}


@dataclass(frozen=True)
class PhaseStyle:
    """A phase's name in print and its colour: Okabe and Ito's, which the colour-blind tell apart."""

    label: str
    colour: str


# In the order of a step.
PHASES = {
    "preparation": PhaseStyle("preparation", "#F0E442"),
    "generation": PhaseStyle("generation", "#0072B2"),
    "reference": PhaseStyle("reference", "#56B4E9"),
    "forward_backward": PhaseStyle("forward and backward", "#E69F00"),
    "optimizer": PhaseStyle("optimizer", "#009E73"),
    "rest": PhaseStyle("rest", "#BDBDBD"),
}


def present_phases(rows: pd.DataFrame) -> list[str]:
    """The phases that the steps of these rows consist of. An SFT step is counted without its preparation."""
    named = {column.removesuffix("_seconds") for column in phase_columns(rows)}
    return [phase for phase in PHASES if phase in named and phase != "preparation"]
