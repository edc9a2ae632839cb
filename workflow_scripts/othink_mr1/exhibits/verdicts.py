"""Whether our numbers support a claim in direction, and whether also in size.

The direction, by the rule that claims.csv names:

    higher   reproduced: the interval of the difference lies above 0; contradicted: below 0; else undecided
    lower    the same with the signs changed
    similar  reproduced: the 90 % interval lies within ±10 points, which is two one-sided tests of 5 % each;
             contradicted: outside of them; else undecided
    share    (of a single proportion) reproduced: its interval lies above 90 %; contradicted: below it; else
             undecided
    peak     reproduced: some middle value of the sweep is above both ends; contradicted: an end is above all
             middle values; "above" as in `higher`, with the confidence raised to 1 - 0.05/m for the m
             middle values that are tested; else undecided

A claim is reproduced "in direction and size" if our interval (of the difference, the share, or the gain if
the paper prints only that) also contains the paper's value, else "in direction". The paper prints no values
of the KL weight sweep, so `peak` has no size.

Intervals are 95 % intervals unless stated otherwise. p in claims.csv is of the same test as the interval: it
is below 5 % exactly if `higher`, `lower`, `share` or `peak` is decided, or `similar` is reproduced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from othink_mr1.exhibits.paired_comparisons import PairedDifference, compare
from othink_mr1.exhibits.read_points import PointScores

SAME_SIZE, REPRODUCED = "reproduced in direction and size", "reproduced in direction"
UNDECIDED, CONTRADICTED, NOT_MEASURED = "undecided", "contradicted", "not measured"
SIMILAR_MARGIN = 0.10
HIGH_SHARE = 0.90


def verdict_of_interval(rule: str, low: float, high: float, holds_paper: bool = False) -> str:
    """The verdict of all rules but `peak` on an interval. holds_paper: it contains the paper's value."""
    if rule == "lower":
        low, high = -high, -low
    if rule == "similar":
        reproduced = low > -SIMILAR_MARGIN and high < SIMILAR_MARGIN
        contradicted = high < -SIMILAR_MARGIN or low > SIMILAR_MARGIN
    else:
        bound = HIGH_SHARE if rule == "share" else 0.0
        reproduced, contradicted = low > bound, high < bound
    if reproduced:
        return SAME_SIZE if holds_paper else REPRODUCED
    return CONTRADICTED if contradicted else UNDECIDED


@dataclass(frozen=True)
class Peak:
    """The verdict of the rule `peak`, and the comparison that decides it."""

    verdict: str
    middle: int  # index of the middle value in the sweep
    end: int  # index of the end that it is compared with
    comparison: PairedDifference
    p: float  # corrected for the number of middle values (Bonferroni)


def verdict_of_peak(sweep: Sequence[PointScores]) -> Peak:
    """The verdict of the rule `peak` on a sweep of at least three points, in the order of its values."""
    ends, middles = (0, len(sweep) - 1), range(1, len(sweep) - 1)
    confidence = 1 - 0.05 / len(middles)
    pairs = {(m, end): compare(sweep[m], sweep[end], confidence) for m in middles for end in ends}

    def above(place: tuple[int, int]) -> float:
        return pairs[place].p if pairs[place].difference > 0 else 1.0

    def below(place: tuple[int, int]) -> float:
        return pairs[place].p if pairs[place].difference < 0 else 1.0

    # The best middle value is compared with the end that it is least above; the best end with the middle
    # value that is least below it.
    peak = min((max(((m, end) for end in ends), key=above) for m in middles), key=above)
    best_end = min((max(((m, end) for m in middles), key=below) for end in ends), key=below)
    is_peak = above(peak) <= below(best_end)
    place, p = (peak, above(peak)) if is_peak else (best_end, below(best_end))
    p = min(1.0, len(middles) * p)
    verdict = UNDECIDED if p >= 0.05 else REPRODUCED if is_peak else CONTRADICTED
    return Peak(verdict, *place, pairs[place], p)
