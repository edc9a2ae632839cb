"""What the command line hands to a figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from othink_mr1.errors import UserError
from othink_mr1.exhibits.frames import read_reward_curves, read_study
from othink_mr1.exhibits.plans import Plan, read_plan


@dataclass(frozen=True)
class FigureInputs:
    """Files by name. data: study or reward_curves -> csv; plan: the figure's plan file."""

    data: Mapping[str, Path]
    plan: Path | None
    results: Path

    def study(self, name: str) -> pd.DataFrame:
        """A study's frame. UserError if it was not given."""
        return read_study(self._csv(name))

    def reward_curves(self) -> pd.DataFrame:
        """The frame of reward curves. UserError if it was not given."""
        return read_reward_curves(self._csv("reward_curves"))

    def read_plan(self, kind: type[Plan]) -> Plan:
        """The plan. UserError if it was not given."""
        if self.plan is None:
            raise UserError("--plan: this figure needs its plan file")
        return read_plan(self.plan, kind)

    def _csv(self, name: str) -> Path:
        if name not in self.data:
            raise UserError(f"--data: this figure needs {name}=CSV")
        return self.data[name]
