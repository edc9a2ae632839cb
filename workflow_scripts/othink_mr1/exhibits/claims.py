"""The paper's claims, each with its numbers, ours, and whether ours bear it out (the rules: verdicts.py).

p is of the two-proportion z test, intervals are Newcombe's; both take the answers as independent. Each
claim stands for itself: nothing is corrected for there being many. A claim whose runs the study does
not have is "not measured".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from othink_mr1.exhibits.frames import final, pooled
from othink_mr1.exhibits.older_code_note import all_modules
from othink_mr1.exhibits.paper_numbers import paper_accuracy, paper_numbers
from othink_mr1.exhibits.statistics import difference_interval, relative_gain, two_proportion_p
from othink_mr1.exhibits.verdicts import (
    NOT_MEASURED,
    Count,
    verdict_of_difference,
    verdict_of_peak,
    verdict_of_share,
)

COLUMNS = (
    "backbone",
    "claim",
    "statement",
    "where",
    "rule",
    "paper_value",
    "paper_baseline",
    "paper_counts",
    "paper_relative_gain",
    "paper_p",
    "value",
    "baseline",
    "counts",
    "difference",
    "difference_low",
    "difference_high",
    "relative_gain",
    "p",
    "verdict",
    "older_code",  # modules that were others when the results compared, or what they come from, were made
)


@dataclass(frozen=True)
class Comparison:
    """A claim about two accuracies: a method against another, trained and tested on the same tasks."""

    name: str
    statement: str
    where: str
    rule: str  # higher, lower, similar
    study: str
    method: str
    baseline: str
    trained_on: str
    tested_on: str


def _same_task() -> list[Comparison]:
    said = {"grpo-d": "GRPO-D", "grpo": "GRPO", "sft": "SFT", "base": "the untrained backbone"}
    claims = []
    for method, baseline, where in (
        ("grpo-d", "grpo", "sections 1, 4.3; table 1"),
        ("grpo-d", "sft", "sections 1, 4.3; table 1"),
        ("sft", "grpo", "section 4.3; table 1"),
        ("sft", "base", "table 1"),
        ("grpo", "base", "table 1"),
        ("grpo-d", "base", "table 1"),
    ):
        for task in ("counting", "geometry"):
            name = f"same_task_{method}_over_{baseline}_{task}".replace("grpo-d", "grpo_d")
            statement = f"trained and tested on {task}, {said[method]} beats {said[baseline]}"
            claims.append(
                Comparison(name, statement, where, "higher", "same_task", method, baseline, task, task)
            )
    return claims


COMPARISONS = (
    *_same_task(),
    Comparison(
        "reasoning_to_understanding_grpo_d_over_base",
        "trained on geometry, GRPO-D counts better than the untrained backbone",
        "sections 1, 4.2.1; figure 7",
        "higher",
        "cross_task",
        "grpo-d",
        "base",
        "geometry",
        "counting",
    ),
    Comparison(
        "understanding_to_reasoning_grpo_d_over_base",
        "trained on counting, GRPO-D is better at geometry than the untrained backbone",
        "sections 1, 4.2.1; figure 7",
        "higher",
        "cross_task",
        "grpo-d",
        "base",
        "counting",
        "geometry",
    ),
    Comparison(
        "reasoning_to_understanding_grpo_d_over_sft",
        "trained on geometry, GRPO-D counts better than SFT",
        "section 1; figure 7",
        "higher",
        "cross_task",
        "grpo-d",
        "sft",
        "geometry",
        "counting",
    ),
    Comparison(
        "understanding_to_reasoning_grpo_d_over_sft",
        "trained on counting, GRPO-D is better at geometry than SFT",
        "section 1; figure 7",
        "higher",
        "cross_task",
        "grpo-d",
        "sft",
        "counting",
        "geometry",
    ),
    Comparison(
        "reasoning_to_understanding_sft_like_base",
        "trained on geometry, SFT counts about as well as the untrained backbone",
        "section 4.2.1; figure 7",
        "similar",
        "cross_task",
        "sft",
        "base",
        "geometry",
        "counting",
    ),
    Comparison(
        "understanding_to_reasoning_sft_collapses",
        "trained on counting, SFT is worse at geometry than the untrained backbone",
        "section 4.2.1; figure 7",
        "lower",
        "cross_task",
        "sft",
        "base",
        "counting",
        "geometry",
    ),
)


def check_claims(studies: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per claim and backbone, with COLUMNS. studies: same_task, cross_task and the two sweeps."""
    points = {name: pooled(final(frame)) for name, frame in studies.items()}
    backbones = dict.fromkeys(name for frame in points.values() for name in frame.backbone)
    rows: list[dict[str, Any]] = []
    for backbone in backbones:
        own = {name: frame[frame.backbone == backbone] for name, frame in points.items()}
        rows += [_comparison_row(backbone, claim, own[claim.study]) for claim in COMPARISONS]
        rows += [
            _format_weight_row(own["format_weight_sweep"]),
            _format_accuracy_row(own["format_weight_sweep"]),
            _kl_weight_row(own["kl_weight_sweep"]),
        ]
        rows[-3:] = [{"backbone": backbone, **row} for row in rows[-3:]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _comparison_row(backbone: str, claim: Comparison, points: pd.DataFrame) -> dict[str, Any]:
    value = _count(points, claim.method, claim.trained_on, claim.tested_on)
    baseline = _count(points, claim.baseline, claim.trained_on, claim.tested_on)
    row: dict[str, Any] = {
        "backbone": backbone,
        "claim": claim.name,
        "statement": claim.statement,
        "where": claim.where,
        "rule": claim.rule,
        "verdict": NOT_MEASURED,
        **_paper_columns(backbone, claim),
    }
    if value and baseline:
        row |= _difference_columns(value, baseline)
        row["verdict"] = verdict_of_difference(claim.rule, row["difference_low"], row["difference_high"])
    return row


def _paper_columns(backbone: str, claim: Comparison) -> dict[str, Any]:
    value, baseline = (
        paper_accuracy(backbone, method, "" if method == "base" else claim.trained_on, claim.tested_on)
        for method in (claim.method, claim.baseline)
    )
    if value is None or baseline is None:
        return {}
    counts = Count(value.nearest_correct, value.items), Count(baseline.nearest_correct, baseline.items)
    about = "about " if value.correct is None or baseline.correct is None else ""
    return {
        "paper_value": value.accuracy,
        "paper_baseline": baseline.accuracy,
        "paper_counts": f"{about}{counts[0]} and {counts[1]}",
        "paper_relative_gain": relative_gain(value.accuracy, baseline.accuracy),
        "paper_p": two_proportion_p(counts[0].correct, counts[0].items, counts[1].correct, counts[1].items),
    }


def _difference_columns(value: Count, baseline: Count) -> dict[str, Any]:
    counts = (value.correct, value.items, baseline.correct, baseline.items)
    low, high = difference_interval(*counts)
    return {
        "value": value.share,
        "baseline": baseline.share,
        "counts": f"{value} and {baseline}",
        "difference": value.share - baseline.share,
        "difference_low": low,
        "difference_high": high,
        "relative_gain": relative_gain(value.share, baseline.share),
        "p": two_proportion_p(*counts),
        "older_code": all_modules((value.older_code, baseline.older_code)),
    }


def _format_weight_row(points: pd.DataFrame) -> dict[str, Any]:
    """α = 1 against α = 0. The paper prints the gain only; two pairs of counts fit it: the larger p."""
    numbers = paper_numbers()
    candidates = numbers[numbers.quantity == "accuracy_candidate"]
    with_format, without = (candidates[candidates.format_weight == weight] for weight in (1, 0))
    pairs = [
        (Count(int(a.correct), int(a["items"])), Count(int(b.correct), int(b["items"])))
        for (_, a), (_, b) in zip(with_format.iterrows(), without.iterrows(), strict=True)
    ]
    gain = numbers[(numbers.quantity == "relative_gain") & (numbers.compared_with == "format_weight 0")]
    row: dict[str, Any] = {
        "claim": "format_weight_1_over_0",
        "statement": "with the format reward (α = 1) GRPO is better at geometry than without it (α = 0)",
        "where": "section 4.1.1; figure 4",
        "rule": "higher",
        "paper_counts": " or ".join(f"{a} and {b}" for a, b in pairs),
        "paper_relative_gain": gain.value.iloc[0] / 100,
        "paper_p": max(two_proportion_p(a.correct, a.items, b.correct, b.items) for a, b in pairs),
        "verdict": NOT_MEASURED,
    }
    counts = _sweep(points, "format_weight")
    if {0.0, 1.0} <= set(counts):
        row |= _difference_columns(counts[1.0], counts[0.0])
        row["verdict"] = verdict_of_difference("higher", row["difference_low"], row["difference_high"])
    return row


def _format_accuracy_row(points: pd.DataFrame) -> dict[str, Any]:
    numbers = paper_numbers()
    row: dict[str, Any] = {
        "claim": "format_accuracy_without_format_reward",
        "statement": "the format is followed even without the format reward (α = 0)",
        "where": "section 4.1.1",
        "rule": "share",
        "paper_value": numbers[numbers.quantity == "format_accuracy"].value.iloc[0] / 100,
        "verdict": NOT_MEASURED,
    }
    count = _sweep(points, "format_weight", "format_ok").get(0.0)
    if count:
        row |= {"value": count.share, "counts": str(count), "verdict": verdict_of_share(count)}
        row["older_code"] = count.older_code
    return row


def _kl_weight_row(points: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {
        "claim": "kl_weight_rises_then_falls",
        "statement": "as the constant KL weight grows, accuracy on geometry first improves and then drops",
        "where": "section 4.1.2; figure 6",
        "rule": "peak",
        "verdict": NOT_MEASURED,
    }
    counts = _sweep(points, "kl_weight")
    if len(counts) >= 3:
        ordered = [counts[weight] for weight in sorted(counts)]
        ends = max(ordered[0], ordered[-1], key=lambda count: count.share)
        row |= _difference_columns(max(ordered[1:-1], key=lambda count: count.share), ends)
        row["counts"] = ", ".join(f"{count} at {weight:g}" for weight, count in sorted(counts.items()))
        row["older_code"] = all_modules(count.older_code for count in ordered)
        del row["p"]  # of the best middle value, chosen after the fact, it would mislead
        row["verdict"] = verdict_of_peak(ordered)
    return row


def _count(points: pd.DataFrame, method: str, trained_on: str, tested_on: str) -> Count | None:
    rows = points[(points.method == method) & (points.tested_on == tested_on)]
    rows = rows[rows.trained_on.isin(["", trained_on])]
    return None if rows.empty else _count_of(rows.iloc[0], "r1v_correct")


def _sweep(points: pd.DataFrame, axis: str, count: str = "r1v_correct") -> dict[float, Count]:
    """Value of the sweep -> counts, on the study's first task."""
    points = points[points[axis].notna()]
    points = points[points.tested_on == points.tested_on.iloc[0]] if len(points) else points
    return {float(row[axis]): _count_of(row, count) for _, row in points.iterrows()}


def _count_of(row: pd.Series, count: str) -> Count:
    return Count(int(row[count]), int(row["items"]), row.older_code)
