"""Whether numbers bear a claim out. The rules, by the name that claims.csv gives them:

    higher   holds: the interval of the difference lies above 0; does not hold: below 0; else undecided
    lower    the same with the signs changed
    similar  holds: the interval lies within ±10 points (200 items do not quite resolve that);
             does not hold: outside of them; else undecided
    share    (of a single proportion) holds: its Wilson interval lies above 90 %; does not hold: below it;
             else undecided
    peak     holds: some middle value of the sweep is above both ends; does not hold: an end is above all
             middle values; "above" as in `higher`, with the confidence raised to 1 - 0.05/m for the m
             middle values that are tried; else undecided

All intervals are of 95 % where nothing else is said.
"""

from __future__ import annotations

from dataclasses import dataclass

from othink_mr1.exhibits.statistics import difference_interval, wilson_interval

HOLDS, FAILS, UNDECIDED, NOT_MEASURED = "holds", "does not hold", "undecided", "not measured"
SIMILAR_MARGIN = 0.10
HIGH_SHARE = 0.90


@dataclass(frozen=True)
class Count:
    """Correct answers out of items. older_code: as in the study's csv."""

    correct: int
    items: int
    older_code: str = ""

    @property
    def share(self) -> float:
        return self.correct / self.items

    def __str__(self) -> str:
        return f"{self.correct}/{self.items}"


def verdict_of_difference(rule: str, low: float, high: float) -> str:
    """The verdict of the rules `higher`, `lower` and `similar` on an interval of the difference."""
    if rule == "lower":
        low, high, rule = -high, -low, "higher"
    if rule == "higher":
        return HOLDS if low > 0 else FAILS if high < 0 else UNDECIDED
    assert rule == "similar", rule
    if low > -SIMILAR_MARGIN and high < SIMILAR_MARGIN:
        return HOLDS
    return FAILS if low > SIMILAR_MARGIN or high < -SIMILAR_MARGIN else UNDECIDED


def verdict_of_share(count: Count) -> str:
    """The verdict of the rule `share`."""
    low, high = wilson_interval(count.correct, count.items)
    return HOLDS if low > HIGH_SHARE else FAILS if high < HIGH_SHARE else UNDECIDED


def verdict_of_peak(accuracies: list[Count]) -> str:
    """The verdict of the rule `peak` on the counts of a sweep, in the order of its values."""
    first, *middle, last = accuracies
    confidence = 1 - 0.05 / len(middle)

    def above(one: Count, other: Count) -> bool:
        low, _ = difference_interval(one.correct, one.items, other.correct, other.items, confidence)
        return low > 0

    if any(above(count, first) and above(count, last) for count in middle):
        return HOLDS
    if any(all(above(end, count) for count in middle) for end in (first, last)):
        return FAILS
    return UNDECIDED
