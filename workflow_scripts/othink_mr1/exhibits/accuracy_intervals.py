"""The mean accuracy of a point and its interval (docs/statistics.md has the reasons)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint

from othink_mr1.exhibits.spread import SEEDS_FOR_A_SPREAD, Spread, per_picture, variance_of_seeds

_FEW = 10  # fewer right or wrong answers do not show how items differ


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
    """The mean over seeds and items with its interval. correct: [seeds, items] of 0 or 1; pictures: per item.

    Wilson's interval with the number of items that tells as much as these answers do, mean · (1 - mean) over
    the variance of the mean (Franco et al. 2019, J. Survey Statistics and Methodology 7, 334-364), and with
    the quantile of Spread. With one seed and one item per picture it is Wilson's own; it has a width when all
    answers are right, too, and stays within 0..1. Below three seeds it is of the items alone.
    """
    return _wilson(correct, pictures, None, confidence)


def accuracy_among(
    correct: np.ndarray, chosen: np.ndarray, pictures: Sequence[str], confidence: float = 0.95
) -> Estimate | None:
    """The accuracy among the chosen answers of all seeds, as mean_accuracy; None if none is.

    chosen: [seeds, items] of 0 or 1. `items` of the result is the number of chosen answers.
    """
    return _wilson(correct, pictures, chosen, confidence) if chosen.any() else None


def _wilson(
    correct: np.ndarray, pictures: Sequence[str], chosen: np.ndarray | None, confidence: float
) -> Estimate:
    seeds, items = correct.shape
    if chosen is not None:
        items = int(chosen.sum())
    value = float(correct.mean() if chosen is None else (correct * chosen).sum() / items)
    effective, spread = effective_items(correct, pictures, chosen)
    low, high = proportion_confint(
        value * effective, effective, alpha=2 * norm.sf(spread.quantile(confidence)), method="wilson"
    )
    known = seeds >= SEEDS_FOR_A_SPREAD
    # Rounding can leave a limit at -1e-17, or on the wrong side of a value of 0 or 1.
    return Estimate(value, max(0.0, min(low, value)), min(1.0, max(high, value)), items, seeds, known)


def share_test(correct: np.ndarray, pictures: Sequence[str], share: float) -> tuple[float, float]:
    """Two-sided p of the mean being `share`, and how far off a mean is found so with 80 % power.

    It is the score test, whose inversion mean_accuracy's interval is.
    """
    effective, spread = effective_items(correct, pictures)
    standard_error = np.sqrt(share * (1 - share) / effective)
    p = spread.p((correct.mean() - share) / standard_error)
    return p, float((spread.quantile(0.95) + spread.quantile(0.60)) * standard_error)


def effective_items(
    correct: np.ndarray, pictures: Sequence[str], chosen: np.ndarray | None = None
) -> tuple[float, Spread]:
    """The number of independent answers that would tell as much, and the variance of the mean in its parts.

    Never more than there are answers, nor, with few right or few wrong, than there are pictures. chosen: as
    in accuracy_among; the mean is theirs then, and its variance that of the linearised ratio.
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
