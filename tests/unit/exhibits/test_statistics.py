"""The statistics of the paper's counts, against published values and the paper's own."""

import math

import pytest

from othink_mr1.exhibits.paired_comparisons import difference_interval, two_proportion_p
from othink_mr1.exhibits.paper_numbers import relative_gain


def test_difference_interval():
    # Newcombe 1998, Statistics in Medicine 17, 873-890, table II: method 10.
    assert difference_interval(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference_interval(9, 10, 3, 10) == pytest.approx((0.1705, 0.8090), abs=5e-5)
    assert difference_interval(10, 10, 0, 20) == pytest.approx((0.6791, 1.0), abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "p"),
    [
        ((153, 200, 137, 200), 0.073),  # GRPO-D and SFT, counting; all from the paper's table 1
        ((259, 754, 245, 754), 0.44),
        ((153, 200, 129, 200), 0.009),
        ((259, 754, 228, 754), 0.088),
        ((121, 754, 117, 754), 0.78),  # figure 7
        ((0, 8, 0, 8), 1.0),
        ((8, 8, 8, 8), 1.0),
    ],
)
def test_two_proportion_p(counts, p):
    assert two_proportion_p(*counts) == pytest.approx(p, abs=0.005)


def test_relative_gain():
    assert relative_gain(0.765, 0.645) == pytest.approx(0.1860, abs=5e-5)
    assert math.isnan(relative_gain(0.5, 0.0))
