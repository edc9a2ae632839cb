"""The verdicts on the paper's claims."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from made_up_points import pair, point, seeds_of_accuracy
from statsmodels.stats.multitest import multipletests

from othink_mr1.exhibits.claims import CLAIMS, COLUMNS, ClaimPoint, check_claims
from othink_mr1.exhibits.paper_numbers import paper_accuracy
from othink_mr1.exhibits.verdicts import verdict_of_interval, verdict_of_peak

STUDIES = ("same_task", "cross_task", "format_weight_sweep", "kl_weight_sweep")
SIZE, DIRECTION = "reproduced in direction and size", "reproduced in direction"


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        ("higher", 0.01, 0.1, DIRECTION),
        ("higher", -0.01, 0.1, "undecided"),
        ("higher", -0.1, -0.01, "contradicted"),
        ("lower", -0.1, -0.01, DIRECTION),
        ("lower", 0.01, 0.1, "contradicted"),
        ("lower", -0.1, 0.01, "undecided"),
        ("similar", -0.09, 0.05, DIRECTION),
        ("similar", -0.05, 0.2, "undecided"),
        ("similar", 0.11, 0.2, "contradicted"),
        ("similar", -0.2, -0.11, "contradicted"),
        ("share", 0.91, 0.99, DIRECTION),
        ("share", 0.85, 0.95, "undecided"),
        ("share", 0.7, 0.89, "contradicted"),
    ],
)
def test_verdict_of_an_interval(rule, low, high, verdict):
    assert verdict_of_interval(rule, low, high) == verdict
    in_size = verdict_of_interval(rule, low, high, holds_paper=True)
    assert in_size == (SIZE if verdict == DIRECTION else verdict)


def nested(*right, items=754):
    """A sweep whose values answer the same items, the easier ones first."""
    return [point(np.arange(items) < count) for count in right]


@pytest.mark.parametrize(
    ("right", "verdict"),
    [
        ((100, 200, 300, 200, 100), DIRECTION),
        ((100, 100, 300, 100, 100), DIRECTION),
        ((300, 100, 200, 100, 100), "contradicted"),  # falls from the first
        ((100, 100, 100, 100, 300), "contradicted"),  # only rises
        ((200, 202, 201, 202, 200), "undecided"),
        # 7 of 7 has p 0.016, enough for one value, but one of three may be so by chance.
        ((200, 200, 207, 200, 200), "undecided"),
        ((200, 207, 200), DIRECTION),
        ((100, 100, 300, 100, 300), "undecided"),  # as high at the end
        ((0, 0, 0), "undecided"),
    ],
)
def test_verdict_of_a_peak(right, verdict):
    peak = verdict_of_peak(nested(*right))
    assert peak.verdict == verdict
    # The comparison that is printed, its p and the verdict say the same.
    assert (peak.p < 0.05) == (verdict != "undecided")
    if verdict != "undecided":
        assert peak.comparison.low > 0 if verdict == DIRECTION else peak.comparison.high < 0


def claim_point(method, trained_on, tested_on, scores, weights=(None, None), **more):
    return ClaimPoint("small", method, trained_on, tested_on, *weights, scores, **more)


def final_points(accuracies, items, seeds=1):
    """Points of each (method, trained on, tested on): accuracies of one seed, or of more around it."""
    for number, ((method, trained_on, tested_on), accuracy) in enumerate(accuracies.items()):
        offsets = np.linspace(-0.03, 0.03, seeds) if trained_on and seeds > 1 else [0]
        right = [min(items, max(0, round((accuracy + offset) * items))) for offset in offsets]
        correct = seeds_of_accuracy(*right, items=items, random_state=number)
        names = (None,) if not trained_on else tuple(range(42, 42 + seeds))
        yield claim_point(method, trained_on, tested_on, point(correct, names))


SAME = {
    ("base", "", "counting"): 0.425,
    ("base", "", "geometry"): 0.1552,
    ("grpo", "counting", "counting"): 0.645,
    ("sft", "counting", "counting"): 0.685,
    ("grpo-d", "counting", "counting"): 0.765,
    ("grpo", "geometry", "geometry"): 0.3024,
    ("sft", "geometry", "geometry"): 0.3249,
    ("grpo-d", "geometry", "geometry"): 0.3435,
}
CROSS = {
    ("base", "", "counting"): 0.425,
    ("base", "", "geometry"): 0.155,
    ("sft", "geometry", "counting"): 0.43,
    ("grpo-d", "geometry", "counting"): 0.675,
    ("sft", "counting", "geometry"): 0.035,
    ("grpo-d", "counting", "geometry"): 0.16,
}


def sweeps(items, seeds=1):
    def one(alpha, beta, accuracy, number):
        correct = seeds_of_accuracy(*[round(accuracy * items)] * seeds, items=items, random_state=number)
        scores = dataclasses.replace(point(correct), format_ok=np.ones_like(correct))
        return claim_point("grpo", "geometry", "geometry", scores, (alpha, beta))

    alphas = [one(a, 0.04, 0.30 + 0.06 * a, n) for n, a in enumerate((0.0, 0.5, 1.0))]
    betas = [
        one(1.0, b, a, n) for n, (b, a) in enumerate(zip((0.0, 0.02, 0.05), (0.2, 0.5, 0.3), strict=True))
    ]
    return {"format_weight_sweep": alphas, "kl_weight_sweep": betas}


def studies(items=400, seeds=1):
    return {
        "same_task": list(final_points(SAME, items, seeds)),
        "cross_task": list(final_points(CROSS, items, seeds)),
        **sweeps(items, seeds),
    }


@pytest.fixture(scope="module")
def claims():
    return check_claims(studies()).set_index("claim")


def rows_of(**made):
    """The claims of these studies alone."""
    return check_claims({**dict.fromkeys(STUDIES, ()), **made})


def test_the_papers_columns(claims):
    """The paper's own counts, unpaired: its items are not known."""
    for name, p in (
        ("grpo_d_over_sft_counting", 0.073),
        ("grpo_d_over_sft_geometry", 0.44),
        ("grpo_d_over_grpo_counting", 0.009),
        ("grpo_d_over_grpo_geometry", 0.088),
    ):
        assert claims.paper_p[f"same_task_{name}"] == pytest.approx(p, abs=5e-3 if p > 0.4 else 5e-4)
    row = claims.loc["same_task_grpo_d_over_sft_counting"]
    assert row.paper_counts == "153/200 and 137/200"
    assert row.paper_difference == pytest.approx(0.08)
    assert row.paper_difference_low < 0 < row.paper_difference_high  # p .073
    assert row.paper_relative_gain == pytest.approx(0.1168, abs=5e-5)
    assert claims.paper_relative_gain["same_task_grpo_d_over_sft_geometry"] == pytest.approx(0.0572, abs=2e-4)
    assert claims.paper_relative_gain["same_task_grpo_d_over_grpo_counting"] == pytest.approx(
        0.1860, abs=5e-5
    )
    assert claims.paper_p["understanding_to_reasoning_grpo_d_over_base"] == pytest.approx(0.78, abs=5e-3)
    assert claims.paper_counts["understanding_to_reasoning_grpo_d_over_base"] == "about 121/754 and 117/754"
    assert claims.paper_p["format_weight_1_over_0"] == pytest.approx(0.067, abs=5e-4)
    assert claims.paper_relative_gain["format_weight_1_over_0"] == pytest.approx(0.2002)


def test_claims(claims):
    assert tuple(claims.reset_index()[list(COLUMNS)]) == COLUMNS
    assert claims.index.is_unique
    verdict = claims.verdict
    assert verdict["same_task_grpo_d_over_base_counting"] == SIZE
    assert verdict["understanding_to_reasoning_sft_collapses"] == SIZE
    assert verdict["understanding_to_reasoning_grpo_d_over_base"] == "undecided"
    assert verdict["same_task_sft_over_grpo_geometry"] in ("undecided", SIZE)
    assert verdict["format_accuracy_without_format_reward"] in (SIZE, DIRECTION)
    assert verdict["kl_weight_rises_then_falls"] == DIRECTION  # the paper prints no values
    row = claims.loc["same_task_grpo_d_over_base_geometry"]
    assert (row["items"], row.value_seeds, row.baseline_seeds) == (400, 1, 0)
    assert row.spread == "items"
    assert row.difference == pytest.approx((round(0.3435 * 400) - round(0.1552 * 400)) / 400)


def test_verdict_interval_and_p_agree_in_every_row(claims):
    for rows in (claims, check_claims(studies(seeds=3)).set_index("claim")):
        assert set(rows.spread.dropna()) <= {"items", "items and seeds"}
        decided = rows.verdict.isin([SIZE, DIRECTION, "contradicted"])
        others = rows.rule != "similar"
        assert ((rows.p < 0.05) == decided)[others].all()
        assert ((rows.p < 0.05) == rows.verdict.isin([SIZE, DIRECTION]))[~others].all()
        apart = (rows.difference_low > 0) | (rows.difference_high < 0)
        assert (apart == decided)[rows.rule.isin(["higher", "lower"])].all()
        size = rows.rule.isin(["higher", "lower", "similar"]) & rows.paper_difference.notna()
        held = (rows.difference_low <= rows.paper_difference) & (
            rows.paper_difference <= rows.difference_high
        )
        assert ((rows.verdict == SIZE) <= held)[size].all()
        assert ((rows.verdict == DIRECTION) <= ~held)[size].all()


def test_no_number_without_items_seeds_and_interval(claims):
    for rows in (claims, check_claims(studies(seeds=3)).set_index("claim")):
        for name in ("value", "baseline", "difference", "relative_gain"):
            there = rows[rows[name].notna()]
            assert len(there)
            assert there[["items", "value_seeds", "confidence", "spread"]].notna().all(axis=None)
            assert (there[f"{name}_low"] <= there[name]).all()
            assert (there[name] <= there[f"{name}_high"]).all()
            assert (there[f"{name}_low"] < there[f"{name}_high"]).all()
        assert rows.p.notna().equals(rows.detectable_difference.notna())


def test_holm_over_the_measured_claims(claims):
    measured = claims[claims.p.notna()]
    assert measured.p_holm.tolist() == pytest.approx(multipletests(measured.p, method="holm")[1].tolist())
    assert (measured.p_holm >= measured.p).all()
    assert (measured.p_holm > measured.p).any()
    fewer = check_claims({**studies(), "cross_task": []}).set_index("claim")
    assert fewer.p_holm.notna().sum() == fewer.p.notna().sum() < len(measured)


def test_three_seeds_are_not_pooled():
    """The seeds' counts stay apart, items are not doubled, and the backbone adds no spread."""
    rows = check_claims(studies(seeds=3)).set_index("claim")
    row = rows.loc["same_task_sft_over_base_geometry"]
    assert (row["items"], row.value_seeds, row.baseline_seeds) == (400, 3, 0)
    assert row.counts.count("/400") == 4
    assert row.spread == "items and seeds"
    two = check_claims(studies(seeds=2)).set_index("claim").loc["same_task_sft_over_base_geometry"]
    assert (two.value_seeds, two.spread) == (2, "items")


def test_undecided_says_what_could_have_been_found(claims):
    row = claims.loc["understanding_to_reasoning_grpo_d_over_base"]
    assert row.verdict == "undecided"
    assert abs(row.difference) < row.detectable_difference < 0.2


def test_gain_is_empty_when_the_baseline_is_nothing():
    value, nothing = pair(50, 0, neither=50)
    points = [
        claim_point("sft", "counting", "counting", value),
        claim_point("base", "", "counting", dataclasses.replace(nothing, seeds=(None,))),
    ]
    rows = rows_of(same_task=points).set_index("claim")
    row = rows.loc["same_task_sft_over_base_counting"]
    assert row.baseline == 0
    assert row.baseline_high > 0
    assert pd.isna(row.relative_gain)
    assert pd.isna(row.relative_gain_low)
    assert row.verdict == DIRECTION
    text = rows.to_csv()
    assert "nan" not in text
    assert "inf" not in text


def test_settings_that_vary_are_rows_of_their_own():
    """Two learning rates are no seeds: each SFT point has its own row, against its like if there is one."""
    base = claim_point("base", "", "geometry", point(seeds_of_accuracy(20, items=100), (None,)))
    runs = [
        claim_point(
            method, "geometry", "geometry", point(seeds_of_accuracy(right, items=100), (42,)),
            varied={"learning_rate": rate},
        )
        for (method, right), rate in itertools.product((("sft", 50), ("grpo", 40)), ("1e-05", "0.001"))
    ]  # fmt: skip
    rows = rows_of(same_task=[base, *runs])
    over_base = rows[rows.claim == "same_task_sft_over_base_geometry"]
    assert over_base.setting.tolist() == ["learning_rate 1e-05", "learning_rate 0.001"]
    over_grpo = rows[rows.claim == "same_task_sft_over_grpo_geometry"]
    assert over_grpo.setting.tolist() == ["learning_rate 1e-05", "learning_rate 0.001"]
    assert over_base.value_seeds.tolist() == [1, 1]


def test_where_a_weight_varies_the_papers_number_must_be_of_the_same():
    """The paper's GRPO is of α = 1: beside α = 0 the claim took its difference for the size to be reached."""
    base = claim_point("base", "", "geometry", point(seeds_of_accuracy(16, items=100), (None,)))
    runs = [
        claim_point(
            "grpo", "geometry", "geometry", point(seeds_of_accuracy(30, items=100), (42,)), (alpha, 0.01),
            varied={"format_weight": f"{alpha:g}"},
        )
        for alpha in (0.0, 1.0)
    ]  # fmt: skip
    rows = rows_of(same_task=[base, *runs])
    rows = rows[rows.claim == "same_task_grpo_over_base_geometry"]
    assert rows.paper_value.isna().tolist() == [True, False]
    assert rows.paper_p.isna().tolist() == [True, False]
    assert rows.verdict.tolist() == [DIRECTION, SIZE]


def test_the_papers_size_of_effect():
    """The interval of 0.34 over 0.16 holds the paper's difference on geometry; 0.6 is another size."""
    right = {SIZE: 0.34, DIRECTION: 0.6}
    for verdict, accuracy in right.items():
        points = final_points({k: accuracy if k[0] == "grpo-d" else v for k, v in SAME.items()}, 400)
        rows = rows_of(same_task=list(points)).set_index("claim")
        assert rows.verdict["same_task_grpo_d_over_base_geometry"] == verdict
    paper = paper_accuracy("small", "grpo-d", "geometry", "geometry").accuracy
    assert paper == pytest.approx(0.3435)


def test_what_was_not_run_is_not_measured():
    only_base = {name: [p for p in points if p.method == "base"] for name, points in studies().items()}
    rows = check_claims(only_base)
    assert set(rows.verdict) == {"not measured"}
    assert len(rows) == len(CLAIMS)
    assert rows[["value", "difference", "p", "p_holm"]].isna().all(axis=None)
    assert rows_of().empty


def test_a_sweep_of_two_settings_is_two_sweeps():
    """The axis is no setting of the row; a learning rate that is varied beside it is."""
    made = sweeps(100)["kl_weight_sweep"]
    points = [
        dataclasses.replace(p, varied={"learning_rate": rate, "kl_schedule.weight": f"{p.kl_weight:g}"})
        for rate in ("1e-05", "0.001")
        for p in made
    ]
    rows = rows_of(kl_weight_sweep=points)
    rows = rows[rows.claim == "kl_weight_rises_then_falls"]
    assert rows.setting.tolist() == ["learning_rate 1e-05", "learning_rate 0.001"]
    assert rows.counts.str.count("/100").tolist() == [3, 3]
