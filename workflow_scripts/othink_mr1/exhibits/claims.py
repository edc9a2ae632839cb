"""The paper's claims: the paper's numbers, ours, and whether ours support the claim (rules: verdicts.py).

Our answers are compared item by item, by r1v. The paper's answers are not known, so its counts are compared
by the two-proportion z test and Newcombe's interval. p_holm is corrected for all measured claims of the csv;
the verdict follows the claim's own interval and p. A claim whose runs the study lacks is "not measured".
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
from statsmodels.stats.multitest import multipletests

from othink_mr1.exhibits.accuracy_intervals import Estimate, mean_accuracy, share_test
from othink_mr1.exhibits.frames import WEIGHT_PATHS
from othink_mr1.exhibits.paired_comparisons import (
    PairedDifference,
    at_most_one,
    compare,
    difference_interval,
    two_proportion_p,
)
from othink_mr1.exhibits.paper_numbers import (
    PaperAccuracy,
    paper_accuracy,
    paper_number,
    paper_rows,
    relative_gain,
)
from othink_mr1.exhibits.plans import StudiesPlan
from othink_mr1.exhibits.read_points import PointScores, read_points
from othink_mr1.exhibits.verdicts import (
    HIGH_SHARE,
    NOT_MEASURED,
    SIMILAR_MARGIN,
    verdict_of_interval,
    verdict_of_peak,
)

COLUMNS = (
    "backbone",
    "setting",  # values of the varied settings that the claim does not name
    "group",  # same task, cross-task or weights
    "claim",
    "short",  # the statement in a few words
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
    "spread",  # what these intervals cover: items, items and seeds, items and seeds of one side
    "relative_gain",
    "relative_gain_low",
    "relative_gain_high",
    "p",
    "p_holm",
    "detectable_difference",  # the smallest detected with 80 % power; for `similar` the smallest margin
    "verdict",
    "note",  # what a reader should know of the whole study; empty if there is nothing
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
class Claim:
    """A row of paper_claims.csv. rule: see verdicts.py.

    A claim with a baseline compares the accuracies of two methods, trained and tested on the same tasks. The
    others are about the values of a weight that a study varies.
    """

    claim: str
    short: str
    statement: str
    where: str
    rule: str
    study: str
    method: str
    baseline: str
    trained_on: str
    tested_on: str

    def head(self, backbone: str) -> dict[str, Any]:
        """The columns that every row of the claim has."""
        return {
            "backbone": backbone,
            "setting": "",
            "group": {"same_task": "same task", "cross_task": "cross-task"}.get(self.study, "weights"),
            **{name: getattr(self, name) for name in ("claim", "short", "statement", "where", "rule")},
            "verdict": NOT_MEASURED,
        }


with Path(__file__).with_name("paper_claims.csv").open(encoding="utf-8", newline="") as _rows:
    CLAIMS = tuple(Claim(**row) for row in csv.DictReader(_rows))


def claim_points(plan: StudiesPlan, results: Path) -> dict[str, list[ClaimPoint]]:
    """Study -> the points of its final checkpoints. UserError as in read_points."""
    found: dict[str, list[ClaimPoint]] = {}
    for study in plan.studies:
        points = found.setdefault(study.exhibit, [])
        for point in read_points(study, results):
            entry = point.entries[0]
            if entry.step is None:
                own = entry.model_dump(include={each.name for each in fields(ClaimPoint)})
                own |= {"trained_on": entry.trained_on or "", "scores": point.scores()}
                points.append(ClaimPoint(**own))
    return found


def check_claims(studies: Mapping[str, Sequence[ClaimPoint]], note: str = "") -> pd.DataFrame:
    """One row per claim, backbone and setting, with COLUMNS.

    studies: the points of final checkpoints of same_task, cross_task and the two sweeps.
    """
    backbones = dict.fromkeys(point.backbone for points in studies.values() for point in points)
    rows: list[dict[str, Any]] = []
    for backbone in backbones:
        for claim in CLAIMS:
            points = [point for point in studies[claim.study] if point.backbone == backbone]
            make = _comparison_rows if claim.baseline else _sweep_rows
            rows += [claim.head(backbone) | {"note": note} | row for row in make(backbone, claim, points)]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    measured = frame.p.notna()
    if measured.any():
        frame.loc[measured, "p_holm"] = multipletests(frame.p[measured].astype(float), method="holm")[1]
    return frame.astype(dict.fromkeys(("items", "value_seeds", "baseline_seeds"), "Int64"))


def _comparison_rows(backbone: str, claim: Claim, points: Sequence[ClaimPoint]) -> list[dict[str, Any]]:
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
        rows.append(paper | _measured(claim.rule, value, baseline, paper.get("paper_difference")))
    return rows or [_paper_columns(backbone, claim)]


def _found(points: Sequence[ClaimPoint], method: str, claim: Claim) -> list[ClaimPoint]:
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
        **_side("value", difference.value, value),
        **_side("baseline", difference.baseline, baseline),
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


def _side(name: str, estimate: Estimate, point: ClaimPoint) -> dict[str, Any]:
    """The columns of one side. The number of seeds is 0 for the untrained backbone, which has none."""
    seeds = 0 if point.scores.seeds == (None,) else len(point.scores.seeds)
    return {
        name: estimate.value,
        f"{name}_low": estimate.low,
        f"{name}_high": estimate.high,
        f"{name}_seeds": seeds,
    }


def _paper_columns(backbone: str, claim: Claim, *points: ClaimPoint) -> dict[str, Any]:
    """points: ours, of value and baseline. If their α or β varies, the paper's must have the same value."""
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


def _sweep_rows(backbone: str, claim: Claim, points: Sequence[ClaimPoint]) -> list[dict[str, Any]]:
    """One row per combination of other varied settings; without a sweep, one row of the paper's numbers."""
    axis = claim.study.removesuffix("_sweep")
    sweeps: dict[str, dict[float, ClaimPoint]] = {}  # setting -> value of the axis -> point
    for point in points:
        tasks = (point.trained_on, point.tested_on)
        weight = getattr(point, axis)
        if (point.method, *tasks) == (claim.method, claim.trained_on, claim.tested_on) and weight is not None:
            others = {name: own for name, own in point.varied.items() if name != WEIGHT_PATHS[axis]}
            sweeps.setdefault(_setting(others), {})[float(weight)] = point
    make = {"higher": _format_weight_row, "share": _format_accuracy_row, "peak": _kl_weight_row}[claim.rule]
    return [{"setting": setting, **make(sweep)} for setting, sweep in (sweeps or {"": {}}).items()]


def _format_weight_row(sweep: Mapping[float, ClaimPoint]) -> dict[str, Any]:
    """α = 1 against α = 0. The paper prints only the gain. Two pairs of counts fit it: the larger p."""
    with_format, without = (
        paper_rows(quantity="accuracy_candidate", format_weight=weight) for weight in (1, 0)
    )
    pairs = [
        (int(a.correct), int(a["items"]), int(b.correct), int(b["items"]))
        for (_, a), (_, b) in zip(with_format.iterrows(), without.iterrows(), strict=True)
    ]
    gain = paper_number(quantity="relative_gain", compared_with="format_weight 0").value / 100
    row: dict[str, Any] = {
        "paper_counts": " or ".join(f"{a}/{n} and {b}/{m}" for a, n, b, m in pairs),
        "paper_relative_gain": gain,
        "paper_p": max(two_proportion_p(*pair) for pair in pairs),
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
    """The format accuracy at α = 0."""
    paper = paper_number(quantity="format_accuracy").value / 100
    if 0.0 not in sweep:
        return {"paper_value": paper}
    scores = sweep[0.0].scores
    share = mean_accuracy(scores.format_ok, scores.pictures)
    p, detectable = share_test(scores.format_ok, scores.pictures, HIGH_SHARE)
    size = bool(share.low <= paper <= share.high)
    return {
        "paper_value": paper,
        "counts": _counts(scores, "format_ok"),
        "items": share.items,
        **_side("value", share, sweep[0.0]),
        "confidence": 0.95,
        "spread": share.spread,
        "p": p,
        "detectable_difference": at_most_one(detectable),
        "verdict": verdict_of_interval("share", share.low, share.high, size),
    }


def _kl_weight_row(sweep: Mapping[float, ClaimPoint]) -> dict[str, Any]:
    """β over its values. The paper prints none of them."""
    if len(sweep) < 3:
        return {}
    ordered = sorted(sweep.items())
    points = [point for _, point in ordered]
    peak = verdict_of_peak([point.scores for point in points])
    return {
        **_columns_of(peak.comparison, points[peak.middle], points[peak.end]),
        "counts": "; ".join(f"{_counts(point.scores)} at {weight:g}" for weight, point in ordered),
        "p": peak.p,
        "verdict": peak.verdict,
    }


def _setting(varied: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in varied.items())


def _counts(scores: PointScores, verdict: str = "r1v_correct") -> str:
    return ", ".join(f"{int(row.sum())}/{len(row)}" for row in getattr(scores, verdict))


def _paper_count(paper: PaperAccuracy) -> str:
    return f"{paper.nearest_correct}/{paper.items}"
