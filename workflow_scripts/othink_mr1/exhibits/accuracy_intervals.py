"""The mean accuracy of a point and its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A share with its interval, all in 0..1."""

    value: float
    low: float
    high: float
    items: int
    seeds: int
    seed_spread_known: bool  # False below three seeds: the interval is of the items alone


def mean_accuracy(correct: np.ndarray, pictures: Sequence[str], confidence: float = 0.95) -> Estimate:
    """The mean over seeds and items with its interval. correct: [seeds, items] of 0 or 1; pictures: per item."""
    raise NotImplementedError
