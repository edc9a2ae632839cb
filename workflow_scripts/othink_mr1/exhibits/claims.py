"""The paper's claims, each with its numbers, ours, and whether ours bear it out (the rules: verdicts.py).

Ours are compared item by item, by r1v; the paper's counts by the two-proportion z test and Newcombe's
interval, as its answers are not known. p_holm is corrected over all measured claims of the csv; the verdict
goes by the claim's own interval and p. A claim whose runs the study does not have is "not measured".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
from statsmodels.stats.multitest import multipletests

from othink_mr1.exhibits.accuracy_intervals import mean_accuracy, share_test
from othink_mr1.exhibits.frames import WEIGHT_PATHS
from othink_mr1.exhibits.paired_comparisons import PairedDifference, at_most_one, compare
from othink_mr1.exhibits.paper_numbers import PaperAccuracy, paper_accuracy, paper_numbers
from othink_mr1.exhibits.plans import StudiesPlan
from othink_mr1.exhibits.point_scores import PointScores
from othink_mr1.exhibits.read_points import read_points
from othink_mr1.exhibits.statistics import difference_interval, relative_gain, two_proportion_p
from othink_mr1.exhibits.verdicts import (
    HIGH_SHARE,
    NOT_MEASURED,
    SIMILAR_MARGIN,
    verdict_of_interval,
    verdict_of_peak,
)

COLUMNS = (
    "backbone",
    "setting",  # values of what the study varies, where the claim does not name them
    "claim",
    "statement",
    "where",
    "rule",
    "paper_value",
    "paper_baseline",
    "paper_counts",
    "paper_difference",
    "paper_difference_low",
    "paper_difference_high",
    "paper_relative_gain",
    "paper_p",
    "counts",  # correct answers of each seed
    "items",
    "value",
    "value_low",
    "value_high",
    "value_seeds",
    "baseline",
    "baseline_low",
    "baseline_high",
    "baseline_seeds",
    "difference",
    "difference_low",
    "difference_high",
    "confidence",  # of the intervals of difference and gain
    "spread",  # what these intervals are of: items, items and seeds, items and seeds of one side
    "relative_gain",
    "relative_gain_low",
    "relative_gain_high",
    "p",
    "p_holm",
    "detectable_difference",  # the smallest shown with 80 % power; for `similar` the smallest margin
    "verdict",
)


@dataclass(frozen=True)
class ClaimPoint:
    """A point of a study, with its verdicts."""

    backbone: str
    method: str
    trained_on: str  # "" for the untrained backbone
    tested_on: str
    format_weight: float | None
    kl_weight: float | None
    scores: PointScores
    varied: Mapping[str, str] = field(default_factory=dict)  # path of a varied setting -> value


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


def claim_points(plan: StudiesPlan, results: Path) -> dict[str, list[ClaimPoint]]:
    """Study -> the points of its final checkpoints. UserError as read_points."""
    found: dict[str, list[ClaimPoint]] = {}
    for study in plan.studies:
        points = found.setdefault(study.exhibit, [])
        for point in read_points(study, results):
            entry = point.entries[0]
            if entry.step is None:
                points.append(
                    ClaimPoint(
                        entry.backbone,
                        entry.method,
                        entry.trained_on or "",
                        entry.tested_on,
                        entry.format_weight,
                        entry.kl_weight,
                        point.scores(),
                        entry.varied,
                    )
                )
    return found


def check_claims(studies: Mapping[str, Sequence[ClaimPoint]]) -> pd.DataFrame:
    """One row per claim, backbone and setting, with COLUMNS.

    studies: the points of final checkpoints of same_task, cross_task and the two sweeps.
    """
    backbones = dict.fromkeys(point.backbone for points in studies.values() for point in points)
    rows: list[dict[str, Any]] = []
    for backbone in backbones:
        own = {name: [p for p in points if p.backbone == backbone] for name, points in studies.items()}
        for claim in COMPARISONS:
            rows += _comparison_rows(backbone, claim, own[claim.study])
        for study, axis, make in (
            ("format_weight_sweep", "format_weight", _format_weight_row),
            ("format_weight_sweep", "format_weight", _format_accuracy_row),
            ("kl_weight_sweep", "kl_weight", _kl_weight_row),
        ):
            sweeps = list(_sweeps(own[study], axis)) or [("", {})]
            rows += [{"backbone": backbone, "setting": setting, **make(sweep)} for setting, sweep in sweeps]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    measured = frame.p.notna()
    if measured.any():
        frame.loc[measured, "p_holm"] = multipletests(frame.p[measured].astype(float), method="holm")[1]
    return frame.astype(dict.fromkeys(("items", "value_seeds", "baseline_seeds"), "Int64"))


def _comparison_rows(backbone: str, claim: Comparison, points: Sequence[ClaimPoint]) -> list[dict[str, Any]]:
    row: dict[str, Any] = {
        "backbone": backbone,
        "setting": "",
        "claim": claim.name,
        "statement": claim.statement,
        "where": claim.where,
        "rule": claim.rule,
        "verdict": NOT_MEASURED,
    }
    values = _found(points, claim.method, claim)
    pairs = [
        (value, baseline)
        for value in values
        for baseline in _found(points, claim.baseline, claim)
        if all(baseline.varied.get(name, own) == own for name, own in value.varied.items())
    ]
    rows = []
    for value, baseline in pairs:
        paper = _paper_columns(backbone, claim, value, baseline)
        rows.append(row | paper | _measured(claim.rule, value, baseline, paper.get("paper_difference")))
    return rows or [row | _paper_columns(backbone, claim)]


def _found(points: Sequence[ClaimPoint], method: str, claim: Comparison) -> list[ClaimPoint]:
    return [
        point
        for point in points
        if point.method == method
        and point.tested_on == claim.tested_on
        and point.trained_on in ("", claim.trained_on)
    ]


def _measured(
    rule: str, value: ClaimPoint, baseline: ClaimPoint, paper_difference: float | None
) -> dict[str, Any]:
    difference = compare(value.scores, baseline.scores, 0.90 if rule == "similar" else 0.95)
    columns = _columns_of(difference, value, baseline)
    if rule == "similar":
        columns |= {
            "p": difference.margin_p(SIMILAR_MARGIN),
            "detectable_difference": difference.detectable_margin(),
        }
    size = paper_difference is not None and difference.low <= paper_difference <= difference.high
    verdict = verdict_of_interval(rule, difference.low, difference.high, size)
    return {**columns, "setting": _setting({**value.varied, **baseline.varied}), "verdict": verdict}


def _columns_of(difference: PairedDifference, value: ClaimPoint, baseline: ClaimPoint) -> dict[str, Any]:
    return {
        "counts": f"{_counts(value.scores)} and {_counts(baseline.scores)}",
        "items": difference.value.items,
        "value": difference.value.value,
        "value_low": difference.value.low,
        "value_high": difference.value.high,
        "value_seeds": _seeds(value.scores),
        "baseline": difference.baseline.value,
        "baseline_low": difference.baseline.low,
        "baseline_high": difference.baseline.high,
        "baseline_seeds": _seeds(baseline.scores),
        "difference": difference.difference,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "confidence": difference.confidence,
        "spread": difference.spread,
        "relative_gain": difference.gain,
        "relative_gain_low": difference.gain_low,
        "relative_gain_high": difference.gain_high,
        "p": difference.p,
        "detectable_difference": difference.detectable,
    }


def _paper_columns(backbone: str, claim: Comparison, *points: ClaimPoint) -> dict[str, Any]:
    """points: ours, of value and baseline; where their α or β varies, the paper's must have the same."""
    found = []
    for method, point in zip_longest((claim.method, claim.baseline), points):
        trained_on = "" if method == "base" else claim.trained_on
        weights = (point.format_weight, point.kl_weight) if point else (None, None)
        found.append(
            paper_accuracy(
                backbone,
                method,
                trained_on,
                claim.tested_on,
                format_weight=weights[0],
                kl_weight=weights[1],
                weights_must_agree=point is not None and bool({*WEIGHT_PATHS.values()} & {*point.varied}),
            )
        )
    value, baseline = found
    if value is None or baseline is None:
        return {}
    counts = (value.nearest_correct, value.items, baseline.nearest_correct, baseline.items)
    about = "about " if value.correct is None or baseline.correct is None else ""
    low, high = difference_interval(*counts)
    return {
        "paper_value": value.accuracy,
        "paper_baseline": baseline.accuracy,
        "paper_counts": f"{about}{_paper_count(value)} and {_paper_count(baseline)}",
        "paper_difference": value.accuracy - baseline.accuracy,
        "paper_difference_low": low,
        "paper_difference_high": high,
        "paper_relative_gain": relative_gain(value.accuracy, baseline.accuracy),
        "paper_p": two_proportion_p(*counts),
    }


def _format_weight_row(sweep: Mapping[float, ClaimPoint]) -> dict[str, Any]:
    """α = 1 against α = 0. The paper prints the gain only; two pairs of counts fit it: the larger p."""
    numbers = paper_numbers()
    candidates = numbers[numbers.quantity == "accuracy_candidate"]
    with_format, without = (candidates[candidates.format_weight == weight] for weight in (1, 0))
    pairs = [
        (int(a.correct), int(a["items"]), int(b.correct), int(b["items"]))
        for (_, a), (_, b) in zip(with_format.iterrows(), without.iterrows(), strict=True)
    ]
    printed = numbers[(numbers.quantity == "relative_gain") & (numbers.compared_with == "format_weight 0")]
    gain = printed.value.iloc[0] / 100
    row: dict[str, Any] = {
        "claim": "format_weight_1_over_0",
        "statement": "with the format reward (α = 1) GRPO is better at geometry than without it (α = 0)",
        "where": "section 4.1.1; figure 4",
        "rule": "higher",
        "paper_counts": " or ".join(f"{a}/{n} and {b}/{m}" for a, n, b, m in pairs),
        "paper_relative_gain": gain,
        "paper_p": max(two_proportion_p(*pair) for pair in pairs),
        "verdict": NOT_MEASURED,
    }
    if {0.0, 1.0} <= set(sweep):
        value, baseline = sweep[1.0], sweep[0.0]
        there = compare(value.scores, baseline.scores)
        size = there.gain_low is not None and there.gain_high is not None
        size = size and there.gain_low <= gain <= there.gain_high
        row |= _columns_of(there, value, baseline)
        row["verdict"] = verdict_of_interval("higher", there.low, there.high, size)
    return row


def _format_accuracy_row(sweep: Mapping[float, ClaimPoint]) -> dict[str, Any]:
    numbers = paper_numbers()
    paper = numbers[numbers.quantity == "format_accuracy"].value.iloc[0] / 100
    row: dict[str, Any] = {
        "claim": "format_accuracy_without_format_reward",
        "statement": "the format is followed even without the format reward (α = 0)",
        "where": "section 4.1.1",
        "rule": "share",
        "paper_value": paper,
        "verdict": NOT_MEASURED,
    }
    point = sweep.get(0.0)
    if point:
        scores = point.scores
        share = mean_accuracy(scores.format_ok, scores.pictures)
        p, detectable = share_test(scores.format_ok, scores.pictures, HIGH_SHARE)
        row |= {
            "counts": _counts(scores, "format_ok"),
            "items": share.items,
            "value": share.value,
            "value_low": share.low,
            "value_high": share.high,
            "value_seeds": _seeds(scores),
            "confidence": 0.95,
            "spread": "items and seeds" if share.seed_spread_known else "items",
            "p": p,
            "detectable_difference": at_most_one(detectable),
            "verdict": verdict_of_interval(
                "share", share.low, share.high, bool(share.low <= paper <= share.high)
            ),
        }
    return row


def _kl_weight_row(sweep: Mapping[float, ClaimPoint]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "claim": "kl_weight_rises_then_falls",
        "statement": "as the constant KL weight grows, accuracy on geometry first improves and then drops",
        "where": "section 4.1.2; figure 6",
        "rule": "peak",
        "verdict": NOT_MEASURED,
    }
    if len(sweep) >= 3:
        ordered = [sweep[weight] for weight in sorted(sweep)]
        peak = verdict_of_peak([point.scores for point in ordered])
        row |= _columns_of(peak.comparison, ordered[peak.middle], ordered[peak.end])
        row["counts"] = "; ".join(
            f"{_counts(sweep[weight].scores)} at {weight:g}" for weight in sorted(sweep)
        )
        row |= {"p": peak.p, "verdict": peak.verdict}
    return row


def _sweeps(points: Sequence[ClaimPoint], axis: str) -> Iterator[tuple[str, dict[float, ClaimPoint]]]:
    """Per setting of what else is varied: value of the axis -> GRPO on geometry, which the claims name."""
    named = ("grpo", "geometry", "geometry")
    groups: dict[str, dict[float, ClaimPoint]] = {}
    for point in points:
        if (point.method, point.trained_on, point.tested_on) == named and getattr(point, axis) is not None:
            setting = _setting(
                {name: own for name, own in point.varied.items() if name != WEIGHT_PATHS[axis]}
            )
            groups.setdefault(setting, {})[float(getattr(point, axis))] = point
    yield from groups.items()


def _setting(varied: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in varied.items())


def _seeds(scores: PointScores) -> int:
    """0 for the untrained backbone, which has none."""
    return 0 if scores.seeds == (None,) else len(scores.seeds)


def _counts(scores: PointScores, verdict: str = "r1v_correct") -> str:
    return ", ".join(f"{int(row.sum())}/{len(row)}" for row in getattr(scores, verdict))


def _paper_count(paper: PaperAccuracy) -> str:
    return f"{paper.nearest_correct}/{paper.items}"
