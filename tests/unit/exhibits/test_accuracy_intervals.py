"""Means over seeds and items and their intervals, against published values and by hand."""

import math

import numpy as np
import pytest
from made_up_points import seeds_of_accuracy
from scipy.stats import norm, t
from statsmodels.stats.proportion import proportion_confint

from othink_mr1.exhibits.accuracy_intervals import (
    Spread,
    accuracy_among,
    effective_items,
    mean_accuracy,
    per_picture,
    share_test,
    variance_of_seeds,
)


def one_seed(right, items):
    return np.array([[1] * right + [0] * (items - right)])


@pytest.mark.parametrize(
    ("right", "items", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17, 857-872, table I: method 3 (score).
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (20, 20, 0.8389, 1.0),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_one_seed_has_wilsons_interval(right, items, low, high):
    estimate = mean_accuracy(one_seed(right, items), range(items))
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=5e-5)
    assert (estimate.value, estimate.items, estimate.seeds) == (right / items, items, 1)
    assert not estimate.seed_spread_known


def test_three_seeds_that_spread_are_not_pooled():
    # The miniature's SFT on geometry; its pooled counts had [54.5, 59.1], narrower than one seed's spread.
    correct = seeds_of_accuracy(241, 326, 286, items=500)
    estimate = mean_accuracy(correct, range(500))
    assert estimate.value == pytest.approx((0.482 + 0.652 + 0.572) / 3)
    assert (estimate.items, estimate.seeds, estimate.seed_spread_known) == (500, 3, True)
    half = t.isf(0.025, 2) * np.std([0.482, 0.652, 0.572], ddof=1) / math.sqrt(3)  # of the seeds alone
    assert estimate.low < 0.482
    assert estimate.high > 0.652
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.15)


def test_variance_of_seeds_by_hand():
    # Two-way table of 3 seeds and 4 items. Mean squares: seeds 4·(1/16+1/16)/2 = 0.25, residual by hand 1/6.
    table = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]], dtype=float)
    seeds = table.mean(axis=1, keepdims=True) - 0.5
    rest = table - 0.5 - seeds - (table.mean(axis=0) - 0.5)
    residual = (rest**2).sum() / 6
    assert variance_of_seeds(table) == pytest.approx((0.25 - residual) / 12)
    assert variance_of_seeds(table[:2]) == 0  # below three seeds it is not known
    assert variance_of_seeds(table[[0, 0, 0]]) == 0  # equal seeds: not negative


def test_identical_seeds_tell_no_more_than_one():
    one = one_seed(60, 200)
    estimate, single = (mean_accuracy(rows, range(200)) for rows in (np.repeat(one, 5, axis=0), one))
    assert (estimate.low, estimate.high) == pytest.approx((single.low, single.high))
    assert estimate.seed_spread_known


@pytest.mark.parametrize("right", [0, 1])
@pytest.mark.parametrize("seeds", [1, 2, 3, 10])
def test_all_wrong_or_all_right_has_a_width(seeds, right):
    # Ten seeds that answer alike are no evidence about more items than there are.
    estimate = mean_accuracy(np.full((seeds, 50), right), range(50))
    assert estimate.high - estimate.low == pytest.approx(0.0714, abs=5e-4)
    assert estimate.value == right
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_two_seeds_have_the_interval_of_their_items():
    correct = seeds_of_accuracy(20, 60, items=100)
    estimate = mean_accuracy(correct, range(100))
    assert not estimate.seed_spread_known
    assert estimate.high - estimate.low < 0.2  # the seeds' spread of 40 points is not in it


def test_items_of_one_picture_are_no_independent_items():
    # Four questions per picture, answered alike: the interval is that of the pictures.
    pictures = np.repeat(np.arange(50), 4)
    correct = np.repeat(one_seed(20, 50), 4, axis=1)
    clustered, of_pictures = mean_accuracy(correct, pictures), mean_accuracy(one_seed(20, 50), range(50))
    assert (clustered.low, clustered.high) == pytest.approx((of_pictures.low, of_pictures.high))
    assert clustered.items == 200


def test_pictures_of_unequal_size_keep_the_mean_of_the_items():
    correct = np.array([[1, 1, 1, 0, 1], [0, 1, 1, 0, 0]])
    table = per_picture(correct, ["a", "a", "a", "b", "c"])
    assert table.shape == (2, 3)
    assert table.mean(axis=1) == pytest.approx(correct.mean(axis=1))


def test_few_right_answers_count_no_item_twice():
    correct = np.zeros((10, 100), dtype=int)
    correct[0, 0] = 1
    effective, _ = effective_items(correct, range(100))
    assert effective <= 100


def test_quantile_and_p_are_of_one_test():
    spread = Spread(items=3.0, seeds=1.0, seeds_df=2)
    quantile = math.sqrt(0.75 * norm.isf(0.025) ** 2 + 0.25 * t.isf(0.025, 2) ** 2)
    assert spread.quantile(0.95) == pytest.approx(quantile)
    assert spread.p(quantile) == pytest.approx(0.05)
    assert spread.p(0) == pytest.approx(1)
    assert Spread(1, 0).p(1.959964) == pytest.approx(0.05, abs=1e-6)
    assert 0 < spread.p(1e9) < 1e-8


def test_detectable_difference_is_found_four_times_of_five():
    # One-sample z test: (1.96 + 0.84) standard errors.
    assert Spread(1, 0).detectable(0.95) == pytest.approx(2.8016, abs=1e-4)


@pytest.mark.parametrize("right", [150, 173, 174, 184, 187, 188, 189, 200])
def test_share_test_agrees_with_the_interval(right):
    correct = one_seed(right, 200)
    p, detectable = share_test(correct, range(200), 0.9)
    estimate = mean_accuracy(correct, range(200))
    assert (p < 0.05) == (not estimate.low <= 0.9 <= estimate.high)
    assert detectable == pytest.approx(2.8016 * math.sqrt(0.09 / 200), abs=2e-3)


@pytest.mark.parametrize(("right", "chosen"), [(30, 50), (0, 7), (7, 7), (1, 1)])
def test_among_chosen_answers_of_one_seed_it_is_wilsons_interval(right, chosen):
    correct = np.zeros((1, 100), dtype=int)
    mask = np.zeros((1, 100), dtype=int)
    mask[0, :chosen] = 1
    correct[0, :right] = 1
    correct[0, 60:70] = 1  # right, but not chosen
    found = accuracy_among(correct, mask, range(100))
    low, high = proportion_confint(right, chosen, method="wilson")
    assert (found.items, found.value) == (chosen, right / chosen)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_among_all_answers_it_is_the_mean_accuracy():
    correct = seeds_of_accuracy(40, 60, 50, items=120)
    pictures = [number // 2 for number in range(120)]
    found, mean = accuracy_among(correct, np.ones_like(correct), pictures), mean_accuracy(correct, pictures)
    assert (found.value, found.low, found.high) == (mean.value, mean.low, mean.high)
    assert accuracy_among(correct, 0 * correct, pictures) is None


def test_seeds_that_choose_other_answers_widen_the_interval():
    """Three seeds of 200 items, half of them chosen: their spread counts, and nothing is counted twice."""
    rng = np.random.default_rng(1)
    chosen = (rng.random((3, 200)) < 0.5).astype(int)
    correct = (rng.random((3, 200)) < np.array([[0.2], [0.5], [0.8]])).astype(int)
    found = accuracy_among(correct, chosen, range(200))
    assert found.seed_spread_known
    assert found.items == chosen.sum()
    assert found.value == (correct * chosen).sum() / chosen.sum()
    pooled_low, pooled_high = proportion_confint((correct * chosen).sum(), chosen.sum(), method="wilson")
    assert found.high - found.low > 3 * (pooled_high - pooled_low)


def test_among_items_that_all_seeds_choose_it_is_nearly_that_of_these_items():
    correct = seeds_of_accuracy(70, 90, 80, items=120)
    chosen = np.zeros_like(correct)
    chosen[:, ::2] = 1
    found = accuracy_among(correct, chosen, range(120))
    alone = mean_accuracy(correct[:, ::2], range(60))
    assert found.value == pytest.approx(alone.value)
    assert (found.low, found.high) == (
        pytest.approx(alone.low, abs=0.01),
        pytest.approx(alone.high, abs=0.01),
    )
