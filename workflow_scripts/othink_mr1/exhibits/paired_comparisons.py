"""Two points that were tested on the same items: their difference, its interval and its test.

docs/statistics.md has the formulas, and how often the intervals contain the true difference. The paper's
answers are known only as counts of correct ones, which are compared as independent samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from othink_mr1.exhibits.accuracy_intervals import (
    SEEDS_FOR_A_SPREAD,
    Estimate,
    Spread,
    mean_accuracy,
    per_picture,
    variance_of_seeds,
)
from othink_mr1.exhibits.read_points import PointScores


@dataclass(frozen=True)
class PairedDifference:
    """value - baseline, all in -1..1. The gain is relative to the baseline."""

    value: Estimate
    baseline: Estimate
    confidence: float  # of the intervals of difference and gain
    difference: float
    low: float
    high: float
    p: float  # two-sided; below 1 - confidence exactly if the interval excludes 0
    gain: float | None  # None, like its limits, if the baseline does not differ from 0
    gain_low: float | None
    gain_high: float | None
    detectable: float | None  # the smallest difference detected with 80 % power; None: not even 1
    spread: str  # what the interval covers: "items", "items and seeds", "items and seeds of one side"
    centre: float  # the difference that the tests use; variances: its variance
    variances: Spread

    def margin_p(self, margin: float) -> float:
        """p of the two one-sided tests that the difference is within ±margin (Schuirmann 1987)."""
        distance = (margin - abs(self.centre)) / self.variances.standard_error
        one_sided = self.variances.p(distance) / 2
        return one_sided if distance > 0 else 1 - one_sided

    def detectable_margin(self) -> float | None:
        """The smallest margin that those tests at 5 % detect with 80 % power if there is no difference."""
        quantiles = self.variances.quantile(0.90) + self.variances.quantile(0.80)
        return at_most_one(quantiles * self.variances.standard_error)


def compare(value: PointScores, baseline: PointScores, confidence: float = 0.95) -> PairedDifference:
    """Compare two points by r1v, the scorer of the paper's accuracies.

    A side below three seeds adds no seeds part to the variance. If neither side adds one, p is from the
    sign-flip test over pictures, otherwise from the interval.
    """
    assert (value.items, value.pictures) == (baseline.items, baseline.pictures), "other items: not paired"
    tables = [per_picture(side.r1v_correct, side.pictures) for side in (value, baseline)]
    seeds = [variance_of_seeds(table) for table in tables]
    known = any(len(table) >= SEEDS_FOR_A_SPREAD for table in tables)
    a, b = (table.mean(axis=0) for table in tables)  # [pictures]
    # Two equal sets of answers must not have an interval of width 0. So two pictures are added, each right on
    # one side only (Bonett and Price 2012, J. Educational and Behavioral Statistics 37, 479-488). Means over
    # several seeds vary less than that: for them, the variance of the two pictures is only the minimum.
    least = 2 / (len(a) + 2) ** 2
    if not known:
        a, b = np.append(a, (1, 0)), np.append(b, (0, 1))
    covariances = np.cov(a, b, ddof=0) / len(a)
    of_items = float(np.var(a - b)) / len(a)
    covariances += np.diag(seeds) + np.eye(2) * max(0.0, least - of_items) / 2
    of_items = max(of_items, least)
    spread = Spread(of_items, sum(seeds), _welch(seeds, [len(table) for table in tables]))
    centre = float(a.mean() - b.mean())
    whole = _whole_differences(value, baseline)  # [pictures]
    difference = whole.sum() / (len(value.seeds) * len(baseline.seeds) * len(value.items))
    half = spread.quantile(confidence) * spread.standard_error
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    low, high = min(low, difference), max(high, difference)
    gains = _fieller(float(a.mean()), float(b.mean()), covariances, spread.quantile(confidence))
    p = spread.p(centre / spread.standard_error)
    if not known:
        exact = sign_flip_p(whole)
        # If the exact test and the interval disagree about 0, the more cautious one is used for both.
        if exact >= 1 - confidence:
            low, high = min(low, 0.0), max(high, 0.0)
            gains = gains and (min(gains[0], 0.0), max(gains[1], 0.0))
        p = exact if (exact < 1 - confidence) == (p < 1 - confidence) else max(exact, p)
    base = float(baseline.r1v_correct.mean())
    gain = difference / base if gains and base else None
    gain_low, gain_high = (
        (min(gains[0], gain), max(gains[1], gain)) if gains and gain is not None else (None,) * 2
    )
    return PairedDifference(
        value=mean_accuracy(value.r1v_correct, value.pictures),
        baseline=mean_accuracy(baseline.r1v_correct, baseline.pictures),
        confidence=confidence,
        difference=difference,
        low=low,
        high=high,
        p=p,
        gain=gain,
        gain_low=gain_low,
        gain_high=gain_high,
        detectable=at_most_one(spread.detectable(confidence)),
        spread=_spread_of(value, baseline),
        centre=centre,
        variances=spread,
    )


def sign_flip_p(differences: Iterable[int]) -> float:
    """Two-sided p of a sum at least this far from 0, if either sign of each difference is equally likely.

    differences: an integer per picture. All 2^n assignments of signs are counted, by convolution of the sum's
    distribution with one difference after the other. If all differences are 0 or ±1, this is McNemar's exact
    test. (Fisher 1935, The Design of Experiments, section 21.)
    """
    sizes = [abs(int(difference)) for difference in differences if difference]
    distribution = np.ones(1)  # of the sum: probabilities, the middle one that of 0
    for size in sizes:
        wider = np.zeros(len(distribution) + 2 * size)
        wider[: len(distribution)] += distribution / 2
        wider[2 * size :] += distribution / 2
        distribution = wider
    observed = abs(sum(int(difference) for difference in differences))
    sums = np.abs(np.arange(len(distribution)) - sum(sizes))
    return min(1.0, float(distribution[sums >= observed].sum()))


def difference_interval(
    correct: int, items: int, other_correct: int, other_items: int
) -> tuple[float, float]:
    """Newcombe's 95 % interval of correct/items - other_correct/other_items: (low, high), both in -1..1.

    It is his hybrid score interval without continuity correction. The samples are treated as independent,
    which is conservative for two checkpoints that answer the same items.
    """
    _check(correct, items)
    _check(other_correct, other_items)
    low, high = confint_proportions_2indep(
        correct, items, other_correct, other_items, method="newcomb", compare="diff", alpha=0.05
    )
    return float(low), float(high)


def two_proportion_p(correct: int, items: int, other_correct: int, other_items: int) -> float:
    """Two-sided p of the two-proportion z test with pooled variance; 1 when all or none are correct."""
    _check(correct, items)
    _check(other_correct, other_items)
    if correct + other_correct in (0, items + other_items):
        return 1.0  # no variance: the samples are equal
    _, p = proportions_ztest([correct, other_correct], [items, other_items])
    return float(p)


def at_most_one(difference: float) -> float | None:
    """The difference of two proportions, or None if it is larger than they can differ by."""
    return difference if difference <= 1 else None


def _welch(variances: list[float], seeds: list[int]) -> float:
    """Satterthwaite's degrees of freedom of the two sides' seeds, as their trainings are independent."""
    squares = sum(v**2 / max(1, n - 1) for v, n in zip(variances, seeds, strict=True))
    return sum(variances) ** 2 / squares if squares else math.inf


def _fieller(a: float, b: float, covariances: np.ndarray, quantile: float) -> tuple[float, float] | None:
    """Fieller's interval of a/b - 1 (Fieller 1954, J. Royal Statistical Society B 16, 175-185).

    All ratios r with (a - r·b)² <= quantile² · Var(a - r·b). None if b itself does not differ from 0: then
    that set is unbounded.
    """
    square = quantile**2
    leading = b**2 - square * covariances[1, 1]
    if leading <= 0:
        return None
    middle = a * b - square * covariances[0, 1]
    root = math.sqrt(max(0.0, middle**2 - leading * (a**2 - square * covariances[0, 0])))
    return max(-1.0, (middle - root) / leading - 1), (middle + root) / leading - 1


def _whole_differences(value: PointScores, baseline: PointScores) -> np.ndarray:
    """Per picture: the difference of the mean right answers, times both numbers of seeds. [pictures]"""
    codes = np.unique(np.asarray(value.pictures), return_inverse=True)[1]
    right, right_there = (
        np.bincount(codes, weights=side.r1v_correct.sum(axis=0)) for side in (value, baseline)
    )
    whole = right * len(baseline.r1v_correct) - right_there * len(value.r1v_correct)
    return np.rint(whole).astype(int)


def _spread_of(value: PointScores, baseline: PointScores) -> str:
    trained = [side for side in (value, baseline) if side.seeds != (None,)]
    known = [side for side in trained if len(side.seeds) >= SEEDS_FOR_A_SPREAD]
    if not known:
        return "items"
    return "items and seeds" if known == trained else "items and seeds of one side"


def _check(correct: int, items: int) -> None:
    assert 0 <= correct <= items, (correct, items)
    assert items > 0
