"""From score tables to a study's csv: counts, accuracies, intervals, and the paper's values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from othink_mr1.data.leaks import count_leaks, read_leaks
from othink_mr1.exhibits.accuracy_intervals import accuracy_among, mean_accuracy
from othink_mr1.exhibits.frames import ALL_SEEDS, OUTCOME_COUNTS, STUDY_COLUMNS, WEIGHT_PATHS
from othink_mr1.exhibits.paper_numbers import paper_accuracy, paper_backbone, paper_format_accuracy
from othink_mr1.exhibits.plans import EvaluationEntry, StudyPlan
from othink_mr1.exhibits.read_points import PointScores, StudyPoint, read_points

_WEIGHTS = ("format_weight", "kl_weight")
_SHARED = ("shared_items", "near_shared_items")
_COUNTS = ("r1v_correct", "format_ok", "truncated", *OUTCOME_COUNTS.values())
_WHOLE_NUMBERS = ("step", *_SHARED, *_COUNTS, "paper_correct", "paper_items")
# Studies that vary α or β: the paper's number for one value is not compared with other values.
_SWEEPS = ("format_weight_sweep", "kl_weight_sweep")


def collect_study(plan: StudyPlan, results: Path) -> pd.DataFrame:
    """The frame of a study, with STUDY_COLUMNS, in the plan's order; the row of all seeds follows the last.

    UserError as in read_points.
    """
    rows: list[tuple[float, dict[str, Any]]] = []  # place in the csv, columns
    for point in read_points(plan, results):
        own = [_row(entry, point, place, results) for place, entry in enumerate(point.entries)]
        places = [plan.evaluations.index(entry) for entry in point.entries]
        rows += zip(places, own, strict=True)
        if len(own) > 1:
            rows.append((max(places) + 0.5, _all_seeds(point, own)))
    is_sweep = plan.exhibit in _SWEEPS
    ordered = [
        row | _paper(row, is_sweep) | {"note": plan.note} for _, row in sorted(rows, key=lambda row: row[0])
    ]
    return pd.DataFrame(ordered, columns=list(STUDY_COLUMNS)).astype(
        {**dict.fromkeys(_WEIGHTS, "float64"), **dict.fromkeys(_WHOLE_NUMBERS, "Int64")}
    )


def _row(entry: EvaluationEntry, point: StudyPoint, place: int, results: Path) -> dict[str, Any]:
    """One seed's row."""
    table, scores = point.tables[place], point.scores(place)
    outcomes = table.outcome.value_counts()
    return {
        **entry.columns(),
        "r1v_correct": int(table.r1v_correct.sum()),
        "format_ok": int(table.format_ok.sum()),
        "truncated": int(table.truncated.sum()),
        **{column: int(outcomes.get(outcome, 0)) for outcome, column in OUTCOME_COUNTS.items()},
        **_accuracies(scores),
        **_shared_items(entry, results),
    }


def _all_seeds(point: StudyPoint, seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of all seeds: their mean accuracies. It has no counts; `items` is the number per seed."""
    accuracies = [row["r1v_accuracy"] for row in seeds]
    return {
        **seeds[-1],
        "seed": ALL_SEEDS,
        "run": "",
        **dict.fromkeys(_COUNTS),
        **_accuracies(point.scores()),
        "r1v_minimum": min(accuracies),
        "r1v_maximum": max(accuracies),
    }


def _accuracies(scores: PointScores) -> dict[str, Any]:
    pictures = scores.pictures
    among = accuracy_among(scores.r1v_correct, scores.format_ok, pictures)
    shares = {
        "r1v_accuracy": (r1v := mean_accuracy(scores.r1v_correct, pictures)),
        "exact_accuracy": mean_accuracy(scores.exact_correct, pictures),
        "format_accuracy": mean_accuracy(scores.format_ok, pictures),
        "truncated_share": mean_accuracy(scores.truncated, pictures),
        "well_formed_accuracy": among,
    }
    found: dict[str, Any] = {
        "items": len(scores.items),
        "seeds": len(scores.seeds),
        "spread": r1v.spread,
        "r1v_minimum": r1v.value,
        "r1v_maximum": r1v.value,
        "well_formed": among.items if among else 0,
    }
    for column, share in shares.items():
        name = column.rpartition("_")[0]
        for limit, of in ((column, "value"), (f"{name}_low", "low"), (f"{name}_high", "high")):
            found[limit] = getattr(share, of, None)
    return found


def _shared_items(entry: EvaluationEntry, results: Path) -> dict[str, Any]:
    """How many of the test items the run was trained on; empty for the untrained backbone."""
    if entry.leaks is None:
        return dict.fromkeys(_SHARED)
    counts = count_leaks(read_leaks(results / entry.leaks))
    return {"shared_items": counts.same, "near_shared_items": counts.near}


def _paper(row: Mapping[str, Any], is_sweep: bool) -> dict[str, Any]:
    """The paper's columns for one of our rows."""
    tasks = (row["trained_on"], row["tested_on"])
    weights = {name: row[name] for name in _WEIGHTS}
    agree = is_sweep or any(path in row["varied"] for path in WEIGHT_PATHS.values())
    paper = None
    if row["step"] is None:  # the paper prints only final values
        paper = paper_accuracy(row["backbone"], row["method"], *tasks, **weights, weights_must_agree=agree)
    format_weight = row["format_weight"]
    low, high = None, None
    if paper is not None and paper.correct is not None:
        low, high = proportion_confint(paper.correct, paper.items, method="wilson")
    return {
        "paper_backbone": paper_backbone(row["backbone"]),
        "paper_version": paper.version if paper else "",
        "paper_source": paper.source if paper else "",
        **{f"paper_{name}": getattr(paper, name, None) for name in ("correct", "items", "accuracy")},
        "paper_low": low,
        "paper_high": high,
        "paper_format_accuracy": (
            paper_format_accuracy(row["backbone"], row["method"], *tasks, format_weight) if is_sweep else None
        ),
    }
