"""The verdicts on one point, kept apart by seed and item: intervals and comparisons are taken from these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PointScores:
    """The verdicts on one point: runs that differ in their seed alone, tested on the same items.

    The arrays are [seeds, items] of 0 or 1.
    """

    seeds: tuple[int | None, ...]  # (None,) for the untrained backbone, which has no seed
    items: tuple[str, ...]  # ids, in one order for all seeds
    pictures: tuple[str, ...]  # per item, what identifies its picture: items of one picture are dependent
    r1v_correct: np.ndarray
    exact_correct: np.ndarray
    format_ok: np.ndarray
    truncated: np.ndarray
