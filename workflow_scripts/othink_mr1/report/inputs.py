"""What the page is made of. A file that is not there yet is None; a damaged one is a UserError."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.artefacts.verification import verify_sealed
from othink_mr1.exhibits.frames import final, pooled, read_reward_curves, read_study
from othink_mr1.exhibits.plans import EvaluationEntry, ReportPlan, lowest_seeds


class Inputs:
    """A study's results, as far as they are there, of the plan's backbone."""

    def __init__(self, plan: ReportPlan, results: Path) -> None:
        self.plan, self.results = plan, results
        self.missing: list[str] = []  # files that were asked for and are not there, in the order of asking

    def study(self, name: str) -> pd.DataFrame | None:
        """A study's csv, all its rows."""
        path = self.there(f"{name}.csv")
        return None if path is None else self.own(read_study(path))

    def points(self, name: str) -> pd.DataFrame | None:
        """A study's final checkpoints, one row per point."""
        frame = self.study(name)
        return None if frame is None else pooled(final(frame))

    def reward_curves(self) -> pd.DataFrame | None:
        path = self.there("reward_curves.csv")
        return None if path is None else self.own(read_reward_curves(path))

    def table(self, name: str) -> pd.DataFrame | None:
        """Another csv; empty cells are empty texts, all cells are texts."""
        path = self.there(name)
        if path is None:
            return None
        verify_sealed(path)
        return pd.read_csv(path, dtype=str, keep_default_na=False)

    def evaluations(self, *studies: str) -> list[EvaluationEntry]:
        """The final checkpoints of studies that are scored, of the lowest seed, each once."""
        return lowest_seeds(
            entry
            for study in self.plan.studies
            if study.exhibit in studies
            for entry in study.evaluations
            if entry.backbone == self.plan.backbone and self._is_scored(entry)
        )

    def manifest(self, folder: Path) -> dict[str, Any] | None:
        """The manifest of a folder that is complete."""
        return read_manifest(folder) if (folder / MANIFEST).exists() else None

    def there(self, name: str) -> Path | None:
        """A file below the results root, or None; then it is listed as missing."""
        path = self.results / name
        if path.exists():
            return path
        if name not in self.missing:
            self.missing.append(name)
        return None

    def own(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of the plan's backbone."""
        return frame[frame.backbone == self.plan.backbone]

    def _is_scored(self, entry: EvaluationEntry) -> bool:
        answers = (self.results / entry.answers).parent
        return (answers / MANIFEST).exists() and (self.results / entry.scores).exists()
