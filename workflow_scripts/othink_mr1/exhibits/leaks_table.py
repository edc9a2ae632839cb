"""leaks.csv: all test items that also stand in a training set, for every pair of sets of the study."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.data.leaks import COLUMNS, read_leaks
from othink_mr1.exhibits.plans import LeaksPlan


def collect_leaks(plan: LeaksPlan, results: Path) -> pd.DataFrame:
    """One row per leak, in the plan's order: the tasks that the sets are of, then leaks.py's columns."""
    rows: list[dict[str, Any]] = []
    for pair in plan.pairs:
        about = {"train_task": pair.train_task, "test_task": pair.test_task}
        rows += [about | asdict(leak) for leak in read_leaks(results / pair.leaks)]
    return pd.DataFrame(rows, columns=["train_task", "test_task", *COLUMNS])
