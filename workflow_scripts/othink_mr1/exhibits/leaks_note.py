"""The line in which tables and figures say how many test items the runs were trained on."""

from __future__ import annotations

import pandas as pd

from othink_mr1.exhibits.frames import ALL_SEEDS
from othink_mr1.exhibits.theme import task_label, task_letters


def leaks_note(frame: pd.DataFrame) -> list[str]:
    """One line for the rows of a study, or none if they have no trained run."""
    rows = frame[frame.shared_items.notna() & (frame.seed != ALL_SEEDS)]
    counts = [
        f"{_pair(str(trained_on), str(tested_on))} {_counts(found.iloc[0])}"
        for (trained_on, tested_on), found in rows.groupby(["trained_on", "tested_on"], sort=False)
    ]
    return [f"test items that also stand in the training set: {', '.join(counts)}"] if counts else []


def _pair(trained_on: str, tested_on: str) -> str:
    if trained_on == tested_on:
        return task_label(tested_on)
    return f"{task_letters(trained_on)} → {task_letters(tested_on)}"


def _counts(row: pd.Series) -> str:
    return f"{row.shared_items:.0f} of {row['items']:.0f} ({row.near_shared_items:.0f} near)"
