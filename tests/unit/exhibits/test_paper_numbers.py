"""The published numbers: counts and percentages agree, printed gains follow from the accuracies."""

import pytest

from othink_mr1.exhibits.paper_numbers import (
    paper_accuracy,
    paper_format_accuracy,
    paper_numbers,
)

SMALL = "small"


def test_counts_print_as_the_percentages():
    rows = paper_numbers()
    rows = rows[rows.correct.notna()]
    assert len(rows) >= 20
    assert (100 * rows.correct / rows["items"] - rows.value).abs().max() < 0.005


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_printed_gains_follow_from_the_accuracies(version):
    """Of v2's gains the baseline is v1's, which it does not change."""
    numbers = paper_numbers()
    accuracies = numbers[(numbers.quantity == "accuracy") & (numbers.backbone == "Qwen2-VL-2B-Instruct")]
    gains = numbers[(numbers.quantity == "relative_gain") & (numbers.version == version)]
    gains = gains[gains.compared_with.isin(["base", "sft", "grpo"])]
    assert len(gains) >= 2

    def value(method, trained_on, tested_on):
        trained_on = "" if method == "base" else trained_on
        rows = accuracies[
            (accuracies.method == method)
            & (accuracies.trained_on == trained_on)
            & (accuracies.tested_on == tested_on)
        ]
        newest = rows[rows.version == version] if (rows.version == version).any() else rows
        return newest.value.iloc[0]

    for _, gain in gains.iterrows():
        new = value(gain.method, gain.trained_on, gain.tested_on)
        old = value(gain.compared_with, gain.trained_on, gain.tested_on)
        assert 100 * (new / old - 1) == pytest.approx(gain.value, abs=0.02), gain


def test_lookup():
    assert paper_accuracy(SMALL, "grpo-d", "geometry", "geometry").correct == 259
    assert paper_accuracy(SMALL, "base", "", "counting").accuracy == 0.425
    assert paper_accuracy("qwen2_vl_7b_instruct", "grpo-d", "geometry", "geometry").correct == 343
    assert paper_accuracy(SMALL, "grpo", "counting", "geometry") is None  # not printed
    printed_only = paper_accuracy(SMALL, "grpo-d", "counting", "geometry")
    assert printed_only.correct is None  # 16.00 % is no whole number of 754 items
    assert printed_only.nearest_correct == 121
    assert paper_format_accuracy(SMALL, "grpo", "geometry", "geometry", 0.0) == 0.997
    assert paper_format_accuracy(SMALL, "grpo", "geometry", "geometry", 0.25) is None


def test_a_sweep_point_compares_only_at_equal_weights():
    def at(beta):
        return paper_accuracy(
            SMALL, "grpo", "geometry", "geometry", format_weight=1.0, kl_weight=beta, weights_must_agree=True
        )

    assert at(0.01).correct == 228
    assert at(0.04) is None
    assert (
        paper_accuracy(SMALL, "grpo", "geometry", "geometry", format_weight=1.0, kl_weight=0.04).correct
        == 228
    )
