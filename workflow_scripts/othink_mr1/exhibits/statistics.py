"""The statistics of the paper's own counts: correct answers over test items. Its answers are not known."""

from __future__ import annotations

import math

from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest


def difference_interval(
    correct: int, items: int, other_correct: int, other_items: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Newcombe's interval of correct/items - other_correct/other_items: (low, high), both in -1..1.

    It is his hybrid score interval without continuity correction. The samples are taken as independent,
    which errs to the wide side for two checkpoints that answer the same items.
    """
    _check(correct, items)
    _check(other_correct, other_items)
    low, high = confint_proportions_2indep(
        correct, items, other_correct, other_items, method="newcomb", compare="diff", alpha=1 - confidence
    )
    return float(low), float(high)


def two_proportion_p(correct: int, items: int, other_correct: int, other_items: int) -> float:
    """Two-sided p of the two-proportion z test with pooled variance; 1 when all or none are correct."""
    _check(correct, items)
    _check(other_correct, other_items)
    if correct + other_correct in (0, items + other_items):
        return 1.0  # no variance: the samples do not differ at all
    _, p = proportions_ztest([correct, other_correct], [items, other_items])
    return float(p)


def relative_gain(value: float, baseline: float) -> float:
    """(value - baseline) / baseline; not a number when the baseline is zero."""
    return (value - baseline) / baseline if baseline else math.nan


def _check(correct: int, items: int) -> None:
    assert 0 <= correct <= items, (correct, items)
    assert items > 0
