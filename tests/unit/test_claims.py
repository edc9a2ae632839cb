"""The verdicts on the paper's claims."""

import pandas as pd
import pytest
from synthetic_results import SyntheticResults

from othink_mr1.exhibits.claims import COLUMNS, check_claims
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.plan_files import StudyPlan, read_plan
from othink_mr1.exhibits.verdicts import Count, verdict_of_difference, verdict_of_peak, verdict_of_share

STUDIES = ("same_task", "cross_task", "format_weight_sweep", "kl_weight_sweep")


@pytest.mark.parametrize(
    ("rule", "low", "high", "verdict"),
    [
        ("higher", 0.01, 0.1, "holds"),
        ("higher", -0.01, 0.1, "undecided"),
        ("higher", -0.1, -0.01, "does not hold"),
        ("lower", -0.1, -0.01, "holds"),
        ("lower", 0.01, 0.1, "does not hold"),
        ("lower", -0.1, 0.01, "undecided"),
        ("similar", -0.09, 0.05, "holds"),
        ("similar", -0.05, 0.2, "undecided"),
        ("similar", 0.11, 0.2, "does not hold"),
        ("similar", -0.2, -0.11, "does not hold"),
    ],
)
def test_verdict_of_a_difference(rule, low, high, verdict):
    assert verdict_of_difference(rule, low, high) == verdict


@pytest.mark.parametrize(
    ("correct", "verdict"),
    [
        ((100, 200, 300, 200, 100), "holds"),
        ((100, 100, 300, 100, 100), "holds"),
        ((300, 100, 200, 100, 100), "does not hold"),  # falls from the first
        ((100, 100, 100, 100, 300), "does not hold"),  # only rises
        ((200, 210, 205, 210, 200), "undecided"),
        # 240 is above 200 with 95 % confidence, but not when one of three tries may be so by chance.
        ((200, 200, 240, 200, 200), "undecided"),
        ((100, 100, 300, 100, 300), "undecided"),  # as high at the end
    ],
)
def test_verdict_of_a_peak(correct, verdict):
    assert verdict_of_peak([Count(count, 754) for count in correct]) == verdict


@pytest.mark.parametrize(
    ("correct", "verdict"), [(190, "holds"), (184, "undecided"), (176, "undecided"), (160, "does not hold")]
)
def test_verdict_of_a_share(correct, verdict):
    assert verdict_of_share(Count(correct, 200)) == verdict  # 95, 92, 88 and 80 % of 200


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    SyntheticResults(root, items=200).write_all()
    return {name: collect_study(read_plan(root / f"plans/{name}.json", StudyPlan), root) for name in STUDIES}


def test_claims(studies):
    claims = check_claims(studies)
    assert tuple(claims) == COLUMNS
    assert claims.claim.is_unique
    claims = claims.set_index("claim")
    same = studies["same_task"].set_index(["method", "tested_on"])
    row = claims.loc["same_task_grpo_d_over_sft_counting"]
    ours = same.r1v_correct["grpo-d", "counting"], same.r1v_correct["sft", "counting"]
    assert row.counts == f"{ours[0]}/200 and {ours[1]}/200"
    assert row.difference == pytest.approx((ours[0] - ours[1]) / 200)
    assert row.paper_counts == "153/200 and 137/200"
    assert row.paper_p == pytest.approx(0.073, abs=5e-4)
    assert row.paper_relative_gain == pytest.approx(0.1168, abs=5e-5)
    # What the made-up accuracies were chosen to show:
    assert claims.verdict["same_task_grpo_d_over_base_counting"] == "holds"
    assert claims.verdict["understanding_to_reasoning_sft_collapses"] == "holds"
    assert claims.verdict["reasoning_to_understanding_sft_like_base"] == "does not hold"
    assert claims.verdict["understanding_to_reasoning_grpo_d_over_base"] == "undecided"
    assert claims.verdict["format_accuracy_without_format_reward"] == "holds"
    assert claims.paper_counts["understanding_to_reasoning_grpo_d_over_base"] == "about 121/754 and 117/754"
    assert claims.paper_p["format_weight_1_over_0"] == pytest.approx(0.067, abs=5e-4)


def test_what_was_not_run_is_not_measured(studies):
    fewer = {name: frame[frame.method == "base"] for name, frame in studies.items()}
    claims = check_claims(fewer)
    assert set(claims.verdict) == {"not measured"}
    assert claims.difference.isna().all()
    nothing = {name: pd.DataFrame(columns=frame.columns) for name, frame in studies.items()}
    assert check_claims(nothing).empty
