"""What the variance of a mean consists of, items and seeds, and the quantiles that go with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm, t

SEEDS_FOR_A_SPREAD = 3  # of fewer seeds the spread is not estimated


def per_picture(correct: np.ndarray, pictures: Sequence[str]) -> np.ndarray:
    """The accuracy picture by picture: [seeds, items] of 0 or 1 -> [seeds, pictures].

    With one item per picture these are the answers themselves. Else a picture p with T of m items right has
    mean + (T - m · mean) · pictures/items, the linearised ratio estimator (Cochran, Sampling Techniques,
    chapter 6): the rows keep their means, and pictures are independent where items are not.
    """
    codes = np.unique(np.asarray(pictures), return_inverse=True)[1]
    sizes = np.bincount(codes)  # [pictures]
    right = np.array([np.bincount(codes, weights=row) for row in correct])  # [seeds, pictures]
    mean = correct.mean()
    return mean + (right - sizes * mean) * len(sizes) / len(codes)


def variance_of_seeds(table: np.ndarray) -> float:
    """What the seeds add to the variance of a mean. table: [seeds, pictures]; 0 below three seeds.

    (MS_seeds - MS_residual) / (seeds · pictures), the two-way analysis of variance with random seeds and
    pictures (Searle, Casella and McCulloch, Variance Components, chapter 4); 0 where that is negative.
    """
    seeds, pictures = table.shape
    if seeds < SEEDS_FOR_A_SPREAD:
        return 0.0
    of_seeds = table.mean(axis=1, keepdims=True) - table.mean()  # [seeds, 1]
    of_pictures = table.mean(axis=0) - table.mean()  # [pictures]
    mean_square = pictures * float((of_seeds**2).sum()) / (seeds - 1)
    rest = table - table.mean() - of_seeds - of_pictures
    residual = float((rest**2).sum()) / max(1, (seeds - 1) * (pictures - 1))
    return max(0.0, mean_square - residual) / (seeds * pictures)


@dataclass(frozen=True)
class Spread:
    """The variance of an estimate in two parts. Pictures are many, so that theirs takes a normal quantile.

    An interval's half width is √(z² · items + t² · seeds): each part has its own quantile (Howe 1974,
    JASA 69, 789-794). Satterthwaite's degrees of freedom for the sum were tried: too narrow for three seeds.
    """

    items: float  # variance
    seeds: float  # variance; 0 where it is unknown or there is none
    seeds_df: float = math.inf

    @property
    def standard_error(self) -> float:
        return math.sqrt(self.items + self.seeds)

    def quantile(self, confidence: float) -> float:
        """The half width of a two-sided interval, in standard errors."""
        tail = (1 - confidence) / 2
        if not self.seeds:
            return float(norm.isf(tail))
        share = self.seeds / (self.items + self.seeds)
        return math.sqrt((1 - share) * norm.isf(tail) ** 2 + share * t.isf(tail, self.seeds_df) ** 2)

    def p(self, distance: float) -> float:
        """Two-sided p of an estimate that lies `distance` standard errors from the hypothesis.

        It is below 1 - confidence where the interval of that confidence leaves the hypothesis out.
        """
        if not self.seeds:
            return float(2 * norm.sf(abs(distance)))
        smallest = 1e-15
        if self.quantile(1 - smallest) <= abs(distance):
            return smallest
        return float(brentq(lambda p: self.quantile(1 - p) - abs(distance), smallest, 1.0, xtol=1e-15))

    def detectable(self, confidence: float, power: float = 0.80) -> float:
        """The smallest difference whose interval leaves 0 out with this probability, as an approximation.

        It is the sum of the quantiles of the test and of the power, times the standard error (Julious 2004,
        Statistics in Medicine 23, 1921-1986).
        """
        return (self.quantile(confidence) + self.quantile(2 * power - 1)) * self.standard_error
