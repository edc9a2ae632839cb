"""A study with candidate settings, made up: the verdicts of each run are given, as are its KLs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from synthetic_results import write_verdicts

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import write_json
from othink_mr1.exhibits.plans import ComparisonPlan

BACKBONE = "small"
OWN, OTHER = "counting", "geometry"
SPLIT, VALIDATION = "counting_split", "counting_split.validation"


class ComparedResults:
    """Trains methods on counting; `add` writes a method's candidate, `plan` what has been written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries: list[dict[str, Any]] = []

    def add(
        self,
        method: str,
        setting: str,
        tested: Mapping[str, Sequence[Sequence[int]]],
        kl: Sequence[Sequence[float | str]] = (),
        column: str = "kl",
    ) -> None:
        """tested: tested task -> [seeds, items] of 0 or 1. kl: per seed that is compared, its updates. KL."""
        for task, table in tested.items():
            for seed, verdicts in enumerate(table, start=1 if task == VALIDATION else 101):
                self._evaluation(method, setting, task, seed, verdicts)
        for seed, values in enumerate(kl, start=101):
            folder = self.root / "runs" / self.run(method, setting, seed)
            lines = "".join(f"{step},{value}\n" for step, value in enumerate(values, start=1))
            with filling(folder, {}) as artefact:
                (folder / "metrics.csv").write_text(f"step,{column}\n{lines}")
                artefact.finish()

    def add_untrained(self, tested: Mapping[str, Sequence[int]]) -> None:
        """The untrained backbone."""
        for task, verdicts in tested.items():
            self._evaluation("base", "", task, None, verdicts)

    def run(self, method: str, setting: str, seed: int | None) -> str:
        """A run's name."""
        return f"{SPLIT}-{method}-{setting}-s{seed}" if seed is not None else "base"

    def plan(self, baseline: str = "constant") -> ComparisonPlan:
        """The plan, also written as the program reads it."""
        plan = {
            "exhibit": "mine_comparison",
            "study": {"exhibit": "mine", "evaluations": self.entries},
            "baseline": baseline,
            "tasks": {SPLIT: {"own": OWN, "validation": VALIDATION}},
            "note": "made up",
        }
        write_json(self.root / "plan.json", plan)
        return ComparisonPlan.model_validate(json.loads((self.root / "plan.json").read_text()))

    def _evaluation(
        self, method: str, setting: str, task: str, seed: int | None, verdicts: Sequence[int]
    ) -> None:
        run = self.run(method, setting, seed)
        scores, examples = f"scores/{run}/{task}/x-1.csv", f"data/{task}/examples.parquet"
        words = ["1,1,1,correct,,0" if right else "1,0,0,wrong,,0" for right in verdicts]
        write_verdicts(self.root, scores, examples, task, words)
        self.entries.append(
            {
                "point": f"{method}-{setting}-{task}",
                "varied": {"kl_schedule.weight": setting} if setting else {},
                "backbone": BACKBONE,
                "method": method,
                "trained_on": None if seed is None else SPLIT,
                "tested_on": task,
                "seed": seed,
                "step": None,
                "steps": 60,
                "run": run,
                "format_weight": 1.0,
                "kl_weight": None,
                "kl_schedule": None,
                "scores": scores,
                "answers": f"answers/{run}/{task}/answers.jsonl",
                "examples": examples,
                "leaks": None,
            }
        )


def drawn(shares: Sequence[float], items: int, seed: int) -> list[list[int]]:
    """Verdicts of one seed per share, each right with that probability. [seeds, items]"""
    random = np.random.default_rng(seed)
    return [[int(right) for right in random.random(items) < share] for share in shares]
