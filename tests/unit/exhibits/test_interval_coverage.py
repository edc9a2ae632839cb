"""A short version of `python -m benchmarks.interval_coverage`: the full one is in docs/statistics.md."""

import pytest
from benchmarks.interval_coverage import coverage_of_differences, coverage_of_means

STUDIES = (
    400  # an estimate's standard error is about 1.1 points: the bounds are 92 and 97 % and three of these
)


@pytest.mark.parametrize("spread", [0, 1, 4])
@pytest.mark.parametrize("seeds", [3, 10])
def test_intervals_of_means(seeds, spread):
    assert 0.89 < coverage_of_means(0.5, seeds, spread, items=100, studies=STUDIES) <= 0.995


@pytest.mark.parametrize(
    ("seeds", "spreads"),
    [((1, 1), (0, 0)), ((3, 3), (1, 1)), ((3, 3), (4, 4)), ((3, 1), (2, 0)), ((10, 3), (1, 4))],
)
def test_intervals_of_differences(seeds, spreads):
    coverage = coverage_of_differences((0.55, 0.5), seeds, spreads, items=100, studies=STUDIES)
    assert 0.89 < coverage <= 0.995
