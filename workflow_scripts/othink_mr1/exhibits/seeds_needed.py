"""The smallest difference of two methods that n seeds can find, and the seeds that the paper's would need.

The variance of a difference has three parts: of the items, whose number is fixed; of the seeds; and what is
left, which falls with both. They are estimated from a comparison of several methods, as means over these.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from othink_mr1.exhibits.accuracy_intervals import SEEDS_FOR_A_SPREAD, Spread, per_picture, variance_of_seeds
from othink_mr1.exhibits.frames import SEEDS_COLUMNS
from othink_mr1.exhibits.method_comparison import Contestant
from othink_mr1.exhibits.paired_comparisons import at_most_one
from othink_mr1.exhibits.paper_numbers import paper_accuracy
from othink_mr1.exhibits.plans import ComparisonPlan

NUMBERS = (3, 4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 200, 500, 1000)
MOST = 10_000  # seeds


@dataclass(frozen=True)
class Parts:
    """Of the variance of a difference of two methods: var(n) = items + (seeds + rest) / n at n seeds each."""

    items: float
    seeds: float
    rest: float
    pictures: int

    def spread(self, seeds: int) -> Spread:
        """The variance at a number of seeds."""
        of_seeds = self.seeds / seeds
        return Spread(self.items + self.rest / seeds, of_seeds, 2 * (seeds - 1) if of_seeds else math.inf)

    def detectable(self, seeds: int) -> float:
        """Approximately the smallest difference whose 95 % interval excludes 0 with 80 % power."""
        return self.spread(seeds).detectable(0.95)

    def with_pictures(self, pictures: int) -> Parts:
        """The same with another number of test pictures."""
        scale = self.pictures / pictures
        return replace(self, items=self.items * scale, rest=self.rest * scale, pictures=pictures)


def parts_of(tables: Sequence[np.ndarray], baseline: np.ndarray) -> Parts:
    """The parts, as means over the methods' differences from the baseline. All are [seeds, pictures]."""
    seeds = float(np.mean([len(table) * variance_of_seeds(table) for table in (*tables, baseline)]))
    rest = float(np.mean([_residual(table) for table in (*tables, baseline)]))
    items = []
    for table in tables:
        observed = np.var(table.mean(axis=0) - baseline.mean(axis=0)) / table.shape[1]
        of_rest = _residual(table) / len(table) + _residual(baseline) / len(baseline)
        items.append(float(observed) - of_rest)
    return Parts(max(0.0, float(np.mean(items))), 2 * seeds, 2 * rest, baseline.shape[1])


def _residual(table: np.ndarray) -> float:
    """What a seed adds to the variance of a mean over pictures, apart from its own mean: MS_residual / P."""
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    return float((rest**2).sum()) / max(1, freedom) / table.shape[1]


def seeds_frame(found: Sequence[Contestant], plan: ComparisonPlan) -> pd.DataFrame:
    """The frame, with SEEDS_COLUMNS: one row per pair of tasks and number of seeds.

    The paper's difference is GRPO-D's from GRPO's on the same two tasks. Pairs of tasks with fewer than three
    seeds have no rows: their spread is unknown.
    """
    rows = []
    for backbone, task in dict.fromkeys((one.backbone, one.trained_on) for one in found):
        field = [one for one in found if (one.backbone, one.trained_on) == (backbone, task)]
        baseline = next(one for one in field if one.method == plan.baseline)
        for tested in baseline.tested:
            scores = {one.method: one.tested[tested].scores() for one in field}
            tables = {name: per_picture(point.r1v_correct, point.pictures) for name, point in scores.items()}
            if min(map(len, tables.values())) < SEEDS_FOR_A_SPREAD or len(tables) < 2:
                continue
            own = tables.pop(plan.baseline)
            parts = parts_of(list(tables.values()), own)
            about = {
                "backbone": backbone,
                "trained_on": task,
                "tested_on": tested,
                "pictures": parts.pictures,
            }
            about |= _paper_columns(backbone, plan.tasks[task].own, tested, parts)
            for number in NUMBERS:
                found_by = at_most_one(parts.detectable(number))
                rows.append(about | {"seeds": number, "detectable_difference": found_by})
    frame = pd.DataFrame(rows, columns=list(SEEDS_COLUMNS)).assign(note=plan.note)
    return frame.astype(dict.fromkeys(("pictures", "seeds", "paper_items", "paper_seeds_needed"), "Int64"))


def _paper_columns(backbone: str, trained: str, tested: str, parts: Parts) -> dict[str, object]:
    """The paper's difference, and the seeds that would find it on its number of items."""
    sides = [paper_accuracy(backbone, method, trained, tested) for method in ("grpo-d", "grpo")]
    if sides[0] is None or sides[1] is None:
        return {}
    difference, items = sides[0].accuracy - sides[1].accuracy, sides[0].items
    return {
        "paper_items": items,
        "paper_difference": difference,
        "paper_seeds_needed": seeds_needed(parts.with_pictures(items), abs(difference)),
        "paper_smallest": parts.with_pictures(items).detectable(MOST),
    }


def seeds_needed(parts: Parts, difference: float) -> int | None:
    """The least number of seeds that finds a difference; None if MOST do not, as the items are too few."""
    if parts.detectable(MOST) > difference:
        return None
    numbers = range(SEEDS_FOR_A_SPREAD, MOST)
    return numbers.start + bisect_left(numbers, True, key=lambda seeds: parts.detectable(seeds) <= difference)
