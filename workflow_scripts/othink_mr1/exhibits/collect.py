"""From score tables to a study's csv: counts, accuracies, intervals, and the paper's values beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.data.leaks import count_leaks, read_leaks
from othink_mr1.exhibits.accuracy_intervals import accuracy_among, mean_accuracy
from othink_mr1.exhibits.frames import ALL_SEEDS, OUTCOME_COUNTS, STUDY_COLUMNS, WEIGHT_PATHS
from othink_mr1.exhibits.paper_numbers import paper_accuracy, paper_backbone, paper_format_accuracy
from othink_mr1.exhibits.plans import EvaluationEntry, StudyPlan
from othink_mr1.exhibits.point_scores import PointScores
from othink_mr1.exhibits.read_points import StudyPoint, read_points
from othink_mr1.plan.runs import varied_text

_WEIGHTS = ("format_weight", "kl_weight")
_SHARED = ("shared_items", "near_shared_items")
_COUNTS = ("r1v_correct", "format_ok", "truncated", *OUTCOME_COUNTS.values())
# Where α or β varies, the paper's number of one point says nothing about its neighbours.
_SWEEPS = ("format_weight_sweep", "kl_weight_sweep")


def collect_study(plan: StudyPlan, results: Path) -> pd.DataFrame:
    """The frame of a study, with STUDY_COLUMNS, in the plan's order; the row of all seeds follows the last.

    UserError as read_points.
    """
    order = {entry.run + str(entry.step) + entry.tested_on: n for n, entry in enumerate(plan.evaluations)}
    rows: list[tuple[float, dict[str, Any]]] = []
    for point in read_points(plan, results):
        own = [_row(entry, point, place, results) for place, entry in enumerate(point.entries)]
        places = [order[entry.run + str(entry.step) + entry.tested_on] for entry in point.entries]
        rows += zip(places, own, strict=True)
        if len(own) > 1:
            rows.append((max(places) + 0.5, _all_seeds(point, own)))
    frame = pd.DataFrame([row for _, row in sorted(rows, key=lambda row: row[0])]).astype(
        {
            "step": "float64",
            **dict.fromkeys(_WEIGHTS, "float64"),
            **dict.fromkeys((*_SHARED, *_COUNTS), "Int64"),
        }
    )
    return _with_paper(frame, is_sweep=plan.exhibit in _SWEEPS)[list(STUDY_COLUMNS)].reset_index(drop=True)


def _row(entry: EvaluationEntry, point: StudyPoint, place: int, results: Path) -> dict[str, Any]:
    """One seed's row."""
    table, scores = point.tables[place], point.scores(place)
    return {
        **entry.model_dump(exclude={"scores", "answers", "examples", "leaks"}),
        "varied": varied_text(entry.varied),
        "trained_on": entry.trained_on or "",
        "kl_schedule": entry.kl_schedule or "",
        "seed": "" if entry.seed is None else str(entry.seed),
        "r1v_correct": int(table.r1v_correct.sum()),
        "format_ok": int(table.format_ok.sum()),
        "truncated": int(table.truncated.sum()),
        **{column: int((table.outcome == outcome).sum()) for outcome, column in OUTCOME_COUNTS.items()},
        **_accuracies(scores),
        **_shared_items(entry, results),
    }


def _all_seeds(point: StudyPoint, seeds: list[dict[str, Any]]) -> dict[str, Any]:
    """The row of all seeds: means of their accuracies. It has no counts: `items` is of each seed."""
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
    found: dict[str, Any] = {"items": len(scores.items), "seeds": len(scores.seeds)}
    for name, correct in (
        ("r1v", scores.r1v_correct),
        ("exact", scores.exact_correct),
        ("format", scores.format_ok),
    ):
        share = mean_accuracy(correct, scores.pictures)
        found |= {f"{name}_accuracy": share.value, f"{name}_low": share.low, f"{name}_high": share.high}
        found["spread"] = "items and seeds" if share.seed_spread_known else "items"
    cut = mean_accuracy(scores.truncated, scores.pictures)
    found |= {"truncated_share": cut.value, "truncated_low": cut.low, "truncated_high": cut.high}
    among = accuracy_among(scores.r1v_correct, scores.format_ok, scores.pictures)
    found["well_formed"] = among.items if among else 0
    found |= {
        "well_formed_accuracy": among.value if among else None,
        "well_formed_low": among.low if among else None,
        "well_formed_high": among.high if among else None,
    }
    return found | {"r1v_minimum": found["r1v_accuracy"], "r1v_maximum": found["r1v_accuracy"]}


def _shared_items(entry: EvaluationEntry, results: Path) -> dict[str, Any]:
    """How many of the test items the run was trained on; nothing for the backbone, which was not."""
    if entry.leaks is None:
        return dict.fromkeys(_SHARED)
    counts = count_leaks(read_leaks(results / entry.leaks))
    return {"shared_items": counts.same, "near_shared_items": counts.near}


def _with_paper(frame: pd.DataFrame, is_sweep: bool) -> pd.DataFrame:
    columns: dict[str, list[Any]] = {
        name: [] for name in STUDY_COLUMNS if name.startswith("paper_") and name != "paper_backbone"
    }
    for row in frame.to_dict("records"):
        weights = {name: None if pd.isna(row[name]) else float(row[name]) for name in _WEIGHTS}
        paper = None
        if pd.isna(row["step"]):  # the paper prints final values only
            paper = paper_accuracy(
                row["backbone"],
                row["method"],
                row["trained_on"],
                row["tested_on"],
                **weights,
                weights_must_agree=is_sweep or any(path in row["varied"] for path in WEIGHT_PATHS.values()),
            )
        columns["paper_version"].append(paper.version if paper else "")
        columns["paper_source"].append(paper.source if paper else "")
        columns["paper_correct"].append(paper.correct if paper else None)
        columns["paper_items"].append(paper.items if paper else None)
        columns["paper_accuracy"].append(paper.accuracy if paper else None)
        columns["paper_format_accuracy"].append(
            paper_format_accuracy(row["backbone"], row["tested_on"], weights["format_weight"])
            if is_sweep
            else None
        )
    frame = frame.assign(**columns)
    for column in ("paper_correct", "paper_items"):
        frame[column] = frame[column].astype("Int64")
    frame["step"] = frame["step"].astype("Int64")
    return frame.assign(paper_backbone=[paper_backbone(name) for name in frame.backbone])
