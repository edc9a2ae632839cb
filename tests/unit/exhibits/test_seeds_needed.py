"""What numbers of seeds find: against simulated studies, and at the corners."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from compared_results import OTHER, OWN, SPLIT, VALIDATION, ComparedResults, drawn
from scipy.stats import norm
from test_chance_of_best import point

from othink_mr1.exhibits.method_comparison import compare_methods
from othink_mr1.exhibits.paired_comparisons import compare
from othink_mr1.exhibits.seeds_needed import MOST, NUMBERS, Parts, parts_of, seeds_frame, seeds_needed


def study(random: np.random.Generator, seeds: int, items: int, gain: float = 0.0) -> list[np.ndarray]:
    """Two methods' verdicts: items differ in difficulty (shared), seeds in skill. [seeds, items] each."""
    difficulty = random.normal(0, 1.0, size=items)
    taste = random.normal(0, 0.7, size=(2, items))  # what one method finds easier than the other
    skill = random.normal(0, 0.25, size=(2, seeds, 1))
    chance = norm.cdf(difficulty + taste[:, None] + skill)
    chance[1] = np.clip(chance[1] + gain, 0, 1)
    return [(random.random((seeds, items)) < part).astype(int) for part in chance]


def test_the_parts_predict_the_variance_of_other_numbers_of_seeds() -> None:
    """From studies of ten seeds: the variance of differences at 3, 10 and 40 seeds."""
    random = np.random.default_rng(0)
    found = [parts_of([tables[1]], tables[0]) for tables in (study(random, 10, 150) for _ in range(150))]
    for seeds in (3, 10, 40):
        predicted = np.mean([part.items + (part.seeds + part.rest) / seeds for part in found])
        observed = np.var(
            [np.subtract(*(table.mean() for table in study(random, seeds, 150))) for _ in range(500)]
        )
        assert predicted == pytest.approx(observed, rel=0.2)


def test_a_difference_of_the_size_named_is_found_in_four_of_five_studies() -> None:
    random = np.random.default_rng(1)
    parts = [parts_of([tables[1]], tables[0]) for tables in (study(random, 10, 200) for _ in range(60))]
    for seeds in (5, 20):
        size = float(np.mean([part.detectable(seeds) for part in parts]))
        tests = [compare(*map(point, reversed(study(random, seeds, 200, size)))) for _ in range(250)]
        gained = np.mean([difference.difference for difference in tests])
        found = np.mean([difference.low > 0 for difference in tests])
        # Chances that are cut at 1 make the real gain a little smaller than asked.
        assert 0.65 < found < 0.92, (seeds, found, gained, size)


def test_more_seeds_find_less_until_the_items_are_all_that_is_left() -> None:
    parts = Parts(items=1e-4, seeds=4e-3, rest=1e-3, pictures=100)
    found = [parts.detectable(number) for number in NUMBERS]
    assert found == sorted(found, reverse=True)
    limit = (norm.isf(0.025) + norm.isf(0.2)) * 0.01
    assert parts.detectable(10**7) == pytest.approx(limit, rel=1e-3)
    assert parts.with_pictures(400).detectable(10**7) == pytest.approx(limit / 2, rel=1e-3)


def test_seeds_needed_is_the_least_number() -> None:
    parts = Parts(items=1e-4, seeds=4e-3, rest=1e-3, pictures=100)
    for difference in (0.03, 0.05, 0.1, 0.2):
        needed = seeds_needed(parts, difference)
        assert needed is not None
        assert parts.detectable(needed) <= difference
        assert needed == 3 or parts.detectable(needed - 1) > difference
    assert seeds_needed(parts, 0.02) is None  # even without end: the items part alone is too large
    assert seeds_needed(Parts(0.0, 0.0, 0.0, 100), 0.01) == 3


def test_seeds_that_do_not_spread_have_a_normal_quantile() -> None:
    spread = Parts(items=1e-4, seeds=0.0, rest=0.0, pictures=100).spread(3)
    assert spread.seeds_df == math.inf
    assert spread.quantile(0.95) == pytest.approx(norm.isf(0.025))
    # Those that do: as a comparison of two methods with as many seeds has it, n - 1 of each.
    assert Parts(items=0.0, seeds=4e-3, rest=0.0, pictures=100).spread(3).seeds_df == 4


def test_a_row_per_number_of_seeds_and_the_papers_claim_where_it_has_one(tmp_path: Path) -> None:
    made = ComparedResults(tmp_path)
    kl = [[0.1]] * 4
    for number, method in enumerate(("constant", "rising")):
        tested = {
            VALIDATION: [[1]],
            OWN: drawn([0.4, 0.5, 0.6, 0.5], 80, number),
            OTHER: drawn([0.3] * 4, 80, number + 9),
        }
        made.add(method, "", tested, kl)
    plan = made.plan()
    _, methods = compare_methods(plan, tmp_path)
    frame = seeds_frame(methods, plan)
    assert list(frame.seeds) == [*NUMBERS, *NUMBERS]
    own = frame[frame.tested_on == OWN].iloc[0]
    assert (own.trained_on, own.pictures, own.paper_items) == (SPLIT, 80, 200)
    assert own.paper_difference == pytest.approx(153 / 200 - 129 / 200)
    assert 3 <= own.paper_seeds_needed < MOST
    assert frame[frame.tested_on == OTHER].paper_difference.isna().all()  # the paper prints no GRPO there


def test_two_seeds_do_not_tell_how_seeds_spread(tmp_path: Path) -> None:
    made = ComparedResults(tmp_path)
    for method in ("constant", "rising"):
        made.add(method, "", {VALIDATION: [[1]], OWN: drawn([0.5] * 2, 20, 3)}, [[0.1]] * 2)
    plan = made.plan()
    _, methods = compare_methods(plan, tmp_path)
    assert seeds_frame(methods, plan).empty
