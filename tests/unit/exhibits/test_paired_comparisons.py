"""Paired comparisons against McNemar's test, by hand, and at their edges."""

import itertools

import numpy as np
import pytest
from made_up_points import pair, point, seeds_of_accuracy
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar

from othink_mr1.exhibits.paired_comparisons import compare, sign_flip_p


@pytest.mark.parametrize(("first", "second"), [(12, 3), (3, 12), (6, 0), (5, 5), (0, 0), (40, 22)])
def test_one_seed_has_mcnemars_exact_p(first, second):
    there = compare(*pair(first, second, both=30, neither=20))
    expected = mcnemar([[30, first], [second, 20]], exact=True).pvalue
    assert there.p == pytest.approx(expected)


def test_sign_flip_counts_all_signs():
    differences = [3, -1, 2, 2, 0, 1]
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=6)
    ]
    assert sign_flip_p(differences) == np.mean([s >= 7 for s in sums])
    assert sign_flip_p([0, 0]) == 1


def test_p_and_interval_never_contradict():
    # All tables of up to 30 items that differ, of 40: p < 5 % just where the interval leaves 0 out.
    for differing in range(31):
        for first in range(differing + 1):
            there = compare(*pair(first, differing - first, both=(40 - differing) // 2, neither=5))
            decided = not there.low <= 0 <= there.high
            assert (there.p < 0.05) == decided
            assert there.low <= there.difference <= there.high
            if there.gain is not None:
                assert there.gain_low <= there.gain <= there.gain_high
                assert decided == (not there.gain_low <= 0 <= there.gain_high)
            if differing:
                assert there.p == pytest.approx(binomtest(first, differing).pvalue)


def test_pairing_finds_what_counts_alone_do_not():
    # 12 more of 200: the unpaired test has p 0.23. Of the same items 12 are better and none worse.
    there = compare(*pair(12, 0, both=90, neither=98))
    assert there.p == pytest.approx(2 * 0.5**12)
    assert there.low > 0


@pytest.mark.parametrize(("both", "neither"), [(50, 0), (0, 50)])
@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_all_right_or_all_wrong_in_both(both, neither, seeds):
    one = point(np.repeat([[1] * both + [0] * neither], seeds, axis=0))
    there = compare(one, one)
    assert (there.difference, there.p) == (0, 1)
    assert there.low < -0.03
    assert there.high > 0.03
    assert (there.gain is None) == (neither == 50)


def test_one_item():
    there = compare(*pair(1, 0))
    assert (there.difference, there.p) == (1, 1)
    assert there.low <= 0
    assert there.high == 1
    assert there.gain is None
    assert there.detectable is None


def test_gain_is_undefined_when_the_baseline_may_be_nothing():
    assert compare(*pair(20, 0, neither=80)).gain is None
    assert compare(*pair(20, 2, neither=78)).gain is None  # 2 of 100 does not differ from none
    there = compare(*pair(30, 2, both=30, neither=38))
    assert there.gain == pytest.approx(28 / 32)
    assert 0 < there.gain_low < there.gain < there.gain_high


def test_bonett_and_price_by_hand():
    # (b + 1)/(n + 2) - (c + 1)/(n + 2) ± z·√((b + c + 2 - (b - c)²/(n + 2)))/(n + 2), b 12, c 3, n 50.
    there = compare(*pair(12, 3, both=20, neither=15))
    half = 1.959964 * np.sqrt(17 - 81 / 52) / 52
    assert (there.low, there.high) == pytest.approx((9 / 52 - half, 9 / 52 + half))


def test_the_untrained_backbone_adds_no_spread():
    seeds = seeds_of_accuracy(80, 120, 100, items=200)
    base = seeds_of_accuracy(60, items=200)
    there = compare(point(seeds), point(base, seeds=(None,)))
    assert there.spread == "items and seeds"
    assert there.difference == pytest.approx(0.2)
    one_run = compare(point(seeds), point(base, seeds=(42,)))
    assert one_run.spread == "items and seeds of one side"
    assert (one_run.low, one_run.high, one_run.p) == (there.low, there.high, there.p)
    items_alone = compare(point(seeds[:2]), point(base, seeds=(None,)))
    assert items_alone.spread == "items"
    assert items_alone.high - items_alone.low < (there.high - there.low) / 2


def test_numbers_of_seeds_may_differ():
    there = compare(
        point(seeds_of_accuracy(80, 90, 100, items=200)),
        point(seeds_of_accuracy(60, 70, 50, 60, 60, items=200, random_state=1)),
    )
    assert (there.value.seeds, there.baseline.seeds) == (3, 5)
    assert there.difference == pytest.approx(0.45 - 0.30)
    assert (there.p < 0.05) == (there.low > 0)


def test_seeds_that_spread_widen_the_difference():
    steady, spread = (seeds_of_accuracy(*right, items=200) for right in ((100, 101, 99), (60, 140, 100)))
    base = point(seeds_of_accuracy(80, 80, 80, items=200, random_state=1))
    narrow, wide = (compare(point(side), base) for side in (steady, spread))
    assert narrow.difference == pytest.approx(wide.difference)
    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)
    assert wide.p > 0.05 > narrow.p


def test_items_of_one_picture_are_flipped_together():
    pictures = [str(number // 4) for number in range(40)]
    value = point([1] * 24 + [0] * 16, pictures=pictures)
    baseline = point([0] * 40, pictures=pictures)
    assert compare(value, baseline).p == pytest.approx(2 * 0.5**6)  # 6 pictures, not 24 items


def test_other_items_are_not_compared():
    with pytest.raises(AssertionError, match="other items"):
        compare(point([1, 0, 1]), point([1, 0]))


@pytest.mark.parametrize("difference", [0, 5, 20])
def test_similar_by_two_one_sided_tests(difference):
    # Within ±10 points by the tests just where the 90 % interval is.
    there = compare(*pair(10 + difference, 10, both=80, neither=100 - difference), confidence=0.90)
    assert (there.margin_p(0.10) < 0.05) == (there.low > -0.10 and there.high < 0.10)
    assert there.detectable_margin() == pytest.approx(
        (1.6449 + 1.2816) * there.variances.standard_error, rel=1e-3
    )
