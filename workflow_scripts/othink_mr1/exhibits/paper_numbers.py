"""The paper's published numbers (paper_numbers.csv), and which of them one of our rows is compared with.

The csv has one row per number: the paper's version, the place in it, what it measures (in percent),
correct and items if the count is known, how it is printed, and a note if it was inferred.
v1: arXiv 2503.16081v1. v2: a later version, known from a secondary source. r1v: as reported by R1-V itself,
whose recipe the paper follows, on the same test sets.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

# Each of our backbones that is not a 7B one is compared with the paper's small one. For the miniature, only
# the pattern is comparable, not the numbers; the exhibits name the paper's backbone.
SMALL, LARGE = "Qwen2-VL-2B-Instruct", "Qwen2-VL-7B-Instruct"
VERSION_OF = {SMALL: "v1", LARGE: "v2"}

_NUMBERS = ("format_weight", "kl_weight", "value", "correct", "items")  # the other columns are text
_EQUAL_WEIGHTS = 1e-9


@dataclass(frozen=True)
class PaperAccuracy:
    """An accuracy that the paper prints, or that follows from what it prints. accuracy: 0..1."""

    version: str
    source: str
    accuracy: float
    correct: int | None
    items: int

    @property
    def nearest_correct(self) -> int:
        """The count, or if it is unknown the one that is nearest to the accuracy."""
        return self.correct if self.correct is not None else round(self.accuracy * self.items)


@cache
def paper_numbers() -> pd.DataFrame:
    """All published numbers. Text columns are "" where they do not apply, weights and counts nan."""
    kinds: defaultdict[str, type] = defaultdict(lambda: str, dict.fromkeys(_NUMBERS, float))
    frame = pd.read_csv(Path(__file__).with_name("paper_numbers.csv"), dtype=kinds)
    return frame.fillna({name: "" for name in frame if name not in _NUMBERS})


@cache
def paper_rows(**wanted: str | float) -> pd.DataFrame:
    """The rows with these values in these columns."""
    rows = paper_numbers()
    for column, value in wanted.items():
        rows = rows[rows[column] == value]
    return rows


def paper_number(**wanted: str | float) -> Any:
    """The first row of paper_rows."""
    return paper_rows(**wanted).iloc[0]


def paper_backbone(backbone: str) -> str:
    """The backbone of the paper that a backbone of ours is compared with."""
    return LARGE if "7b" in backbone.lower() else SMALL


def paper_accuracy(
    backbone: str,
    method: str,
    trained_on: str,
    tested_on: str,
    *,
    format_weight: float | None = None,
    kl_weight: float | None = None,
    weights_must_agree: bool = False,
) -> PaperAccuracy | None:
    """The paper's accuracy of a method, or None if it publishes none.

    weights_must_agree: for sweeps, only a number with the same α and β is comparable; elsewhere a method's
    number is the paper's best, whatever its β.
    """
    there = paper_backbone(backbone)
    rows = paper_rows(
        quantity="accuracy",
        backbone=there,
        version=VERSION_OF[there],
        method=method,
        trained_on=trained_on,
        tested_on=tested_on,
    )
    if weights_must_agree:
        rows = rows[_agrees(rows.format_weight, format_weight) & _agrees(rows.kl_weight, kl_weight)]
    if rows.empty:
        return None
    row = rows.iloc[0]
    return PaperAccuracy(
        version=row.version,
        source=row.source,
        accuracy=row.value / 100,
        correct=None if pd.isna(row.correct) else int(row.correct),
        items=int(row["items"]),
    )


def r1v_note(tasks: Iterable[str]) -> list[str]:
    """A line with R1-V's own accuracies on the tasks, each with its source; no line if it has none."""
    rows = paper_rows(version="r1v")
    rows = rows[rows.tested_on.isin(list(tasks))]
    said = [
        f"{row['method']} on {row['tested_on']} {row['printed']} "
        f"({str(row['source']).removeprefix('R1-V ')}: {row['note']})"
        for row in rows.to_dict("records")
    ]
    return [f"R1-V's own, of {SMALL}: {'; '.join(said)}."] if said else []


def paper_format_accuracy(
    backbone: str, method: str, trained_on: str, tested_on: str, format_weight: float | None
) -> float | None:
    """The format accuracy (0..1) that the paper prints for a method at this α of its sweep, or None."""
    rows = paper_rows(
        quantity="format_accuracy",
        backbone=paper_backbone(backbone),
        method=method,
        trained_on=trained_on,
        tested_on=tested_on,
    )
    rows = rows[_agrees(rows.format_weight, format_weight)]
    return None if rows.empty else float(rows.iloc[0].value) / 100


def _agrees(published: pd.Series, ours: float | None) -> pd.Series:
    if ours is None:
        return published.isna()
    return (published - ours).abs() < _EQUAL_WEIGHTS


def relative_gain(value: float, baseline: float) -> float:
    """(value - baseline) / baseline; nan if the baseline is 0."""
    return (value - baseline) / baseline if baseline else math.nan
