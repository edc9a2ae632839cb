"""The mean accuracy of a point and its interval (docs/statistics.md has the reasons).

A mean's variance has an items part and a seeds part, each with its own quantile.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri, stdtrit  # scipy.stats gives the same, 500 times as slowly
from statsmodels.stats.proportion import proportion_confint

SEEDS_FOR_A_SPREAD = 3  # with fewer seeds, the spread between seeds is not estimated
_FEW = 10  # fewer right (or wrong) answers do not show how items differ


@dataclass(frozen=True)
class Estimate:
    """A proportion with its interval, all in 0..1."""

    value: float
    low: float
    high: float
    items: int
    seeds: int
    seed_spread_known: bool  # False below three seeds: the interval covers only the items

    @property
    def spread(self) -> str:
        """What the interval covers."""
        return "items and seeds" if self.seed_spread_known else "items"


def mean_accuracy(correct: np.ndarray, pictures: Sequence[str], chosen: np.ndarray | None = None) -> Estimate:
    """The mean over seeds and items with its 95 % interval. correct: [seeds, items] of 0 or 1.

    It is Wilson's interval with the quantile of Spread, for mean · (1 - mean) / (variance of the mean) items:
    the number of independent answers with the same information (Franco et al. 2019, J. Survey Statistics and
    Methodology 7, 334-364). With one seed and one item per picture, it is the ordinary one. It has a positive
    width even if all answers are right, and stays within 0..1. Below three seeds it covers only the items.

    pictures: each item's picture; chosen: as in accuracy_among.
    """
    seeds, items = correct.shape
    value = float(correct.mean())
    if chosen is not None:
        items = int(chosen.sum())
        value = float((correct * chosen).sum() / items)
    effective, spread = effective_items(correct, pictures, chosen)
    low, high = proportion_confint(
        value * effective, effective, alpha=2 * ndtr(-spread.quantile(0.95)), method="wilson"
    )
    known = seeds >= SEEDS_FOR_A_SPREAD
    # Rounding can leave a limit at -1e-17, or on the wrong side of a value of 0 or 1.
    return Estimate(value, max(0.0, min(low, value)), min(1.0, max(high, value)), items, seeds, known)


def accuracy_among(correct: np.ndarray, chosen: np.ndarray, pictures: Sequence[str]) -> Estimate | None:
    """mean_accuracy of only the chosen answers of all seeds; None if none is chosen.

    chosen: [seeds, items] of 0 or 1. `items` of the result is the number of chosen answers.
    """
    return mean_accuracy(correct, pictures, chosen) if chosen.any() else None


def share_test(correct: np.ndarray, pictures: Sequence[str], share: float) -> tuple[float, float]:
    """Two-sided p of "the mean is `share`", and the distance from it that is detected with 80 % power.

    It is the score test; mean_accuracy's interval is its inversion.
    """
    effective, spread = effective_items(correct, pictures)
    standard_error = np.sqrt(share * (1 - share) / effective)
    p = spread.p((correct.mean() - share) / standard_error)
    return p, float((spread.quantile(0.95) + spread.quantile(0.60)) * standard_error)


def effective_items(
    correct: np.ndarray, pictures: Sequence[str], chosen: np.ndarray | None = None
) -> tuple[float, Spread]:
    """The number of independent answers with the same information, and the parts of the mean's variance.

    The number is at most that of the answers, and with few right or few wrong ones at most that of the
    pictures. chosen: as in accuracy_among; mean and variance are then of the linearised ratio.
    """
    if chosen is None:
        chosen = np.ones_like(correct)
    answers, right = int(chosen.sum()), int((correct * chosen).sum())
    value = right / answers
    linear = value + (correct - value) * chosen / chosen.mean()  # the answers themselves if all are chosen
    table = per_picture(linear, pictures)  # [seeds, pictures]
    count = table.shape[1]
    of_pictures = table.mean(axis=0) - value  # [pictures]
    binomial = value * (1 - value)
    spread = Spread(
        items=max(float((of_pictures**2).sum()) / count**2, binomial / answers),
        seeds=variance_of_seeds(table),
        seeds_df=max(1, len(table) - 1),
    )
    most = len(set(np.asarray(pictures)[chosen.any(axis=0)]))
    effective = binomial / (spread.items + spread.seeds) if binomial else float(most)
    few = min(right, answers - right) < _FEW or count == 1
    return (min(effective, most) if few else effective), spread


def per_picture(correct: np.ndarray, pictures: Sequence[str]) -> np.ndarray:
    """The accuracy per picture: [seeds, items] of 0 or 1 -> [seeds, pictures].

    With one item per picture these are the answers themselves. Otherwise a picture with T of m items right
    gets mean + (T - m · mean) · pictures/items, the linearised ratio estimator (Cochran, Sampling Techniques,
    chapter 6). Each row's mean stays the same, and pictures are independent while items are not.
    """
    codes = np.unique(np.asarray(pictures), return_inverse=True)[1]
    sizes = np.bincount(codes)  # [pictures]
    right = np.array([np.bincount(codes, weights=row) for row in correct])  # [seeds, pictures]
    mean = correct.mean()
    return mean + (right - sizes * mean) * len(sizes) / len(codes)


def variance_of_seeds(table: np.ndarray) -> float:
    """The seeds part of the variance of a mean. table: [seeds, pictures]; 0 below three seeds.

    (MS_seeds - MS_residual) / (seeds · pictures), of the two-way analysis of variance with random seeds and
    pictures (Searle, Casella and McCulloch, Variance Components, chapter 4); 0 if that is negative.
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
    """The two parts of an estimate's variance. With many pictures, the items part has a normal quantile.

    An interval's half width is √(z² · items + t² · seeds): each part has its own quantile (Howe 1974,
    JASA 69, 789-794). Satterthwaite's degrees of freedom for the sum: too narrow intervals at three seeds.
    """

    items: float  # variance
    seeds: float  # variance; 0 if it is unknown or there is none
    seeds_df: float = math.inf

    @property
    def standard_error(self) -> float:
        return math.sqrt(self.items + self.seeds)

    def quantile(self, confidence: float) -> float:
        """The half width of a two-sided interval, in standard errors."""
        tail = (1 - confidence) / 2
        if not self.seeds:
            return float(-ndtri(tail))
        share = self.seeds / (self.items + self.seeds)
        return math.sqrt((1 - share) * ndtri(tail) ** 2 + share * stdtrit(self.seeds_df, tail) ** 2)

    def p(self, distance: float) -> float:
        """Two-sided p of an estimate that lies `distance` standard errors from the hypothesis.

        It is below 1 - confidence exactly if the interval of that confidence excludes the hypothesis.
        """
        if not self.seeds:
            return float(2 * ndtr(-abs(distance)))
        smallest = 1e-15
        if self.quantile(1 - smallest) <= abs(distance):
            return smallest
        return float(brentq(lambda p: self.quantile(1 - p) - abs(distance), smallest, 1.0, xtol=1e-15))

    def detectable(self, confidence: float) -> float:
        """Approximately the smallest difference whose interval excludes 0 with 80 % power.

        It is the sum of the quantiles of the test and of the power, times the standard error (Julious 2004,
        Statistics in Medicine 23, 1921-1986).
        """
        return (self.quantile(confidence) + self.quantile(0.60)) * self.standard_error
