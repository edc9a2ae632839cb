"""From score tables to a study's csv: counts, accuracies, intervals, and the paper's values beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.data.leaks import count_leaks, read_leaks
from othink_mr1.errors import UserError
from othink_mr1.exhibits.frames import ALL_SEEDS, OUTCOME_COUNTS, STUDY_COLUMNS
from othink_mr1.exhibits.older_code_note import all_modules
from othink_mr1.exhibits.paper_numbers import paper_accuracy, paper_backbone, paper_format_accuracy
from othink_mr1.exhibits.plan_files import EvaluationEntry, StudyPlan
from othink_mr1.exhibits.statistics import wilson_interval
from othink_mr1.scoring.outcomes import OUTCOMES
from othink_mr1.scoring.scores import COLUMNS as SCORE_COLUMNS
from othink_mr1.study.older_code import OlderCode
from othink_mr1.study.origins import has_other_weights
from othink_mr1.study.verification import verify_sealed

# What makes two evaluations points of the same kind, to be pooled over seeds.
_POINT = [
    "backbone",
    "method",
    "trained_on",
    "tested_on",
    "step",
    "steps",
    "format_weight",
    "kl_weight",
    "kl_schedule",
]
_WEIGHTS = ("format_weight", "kl_weight")
_SHARED = ("shared_items", "near_shared_items")
_SCORE_TEXT = ("id", "task", "outcome", "reason")
_COUNTS = ("r1v_correct", "format_ok", *OUTCOME_COUNTS.values())
# In a sweep the paper's number of one point says nothing about its neighbours.
_SWEEPS = ("format_weight_sweep", "kl_weight_sweep")


def collect_study(plan: StudyPlan, results: Path) -> pd.DataFrame:
    """The frame of a study, with STUDY_COLUMNS, in the plan's order; pooled rows follow their seeds.

    UserError if a score table is missing or damaged, if a run has other weights than its answers are of, or
    if two evaluations on a task scored different items: their accuracies would not compare.
    """
    older_code = OlderCode(results)
    items_of: dict[str, tuple[str, frozenset[str]]] = {}
    rows = []
    for entry in plan.evaluations:
        _refuse_others(entry, results)
        scores = read_scores(results / entry.scores, entry.tested_on)
        file, expected = items_of.setdefault(entry.tested_on, (entry.scores, frozenset(scores.id)))
        if frozenset(scores.id) != expected:
            raise UserError(
                f"{results / entry.scores}: scores other items of {entry.tested_on} than {results / file}"
            )
        older = {"older_code": " ".join(older_code.of(entry.artefacts))}
        rows.append(_row(entry, scores) | _shared_items(entry, results) | older)
    frame = pd.DataFrame(rows).astype(
        {"step": "float64", **dict.fromkeys(_WEIGHTS, "float64"), **dict.fromkeys(_SHARED, "Int64")}
    )
    frame["order"] = range(len(frame))
    frame = pd.concat([frame, *_pooled_rows(frame)], ignore_index=True).sort_values("order", kind="stable")
    frame = _with_accuracies(frame)
    return _with_paper(frame, is_sweep=plan.exhibit in _SWEEPS)[list(STUDY_COLUMNS)].reset_index(drop=True)


def _refuse_others(entry: EvaluationEntry, results: Path) -> None:
    """UserError if the run was trained again since its answers were generated, and has other weights."""
    answers = (results / entry.answers).parent
    if entry.trained_on and has_other_weights(answers, results / "runs" / entry.run, entry.step):
        raise UserError(
            f"{answers}: made of other weights than {results / 'runs' / entry.run} has now; delete it and "
            f"{results / entry.scores}, then run snakemake again"
        )


def read_scores(path: Path, task: str) -> pd.DataFrame:
    """A task's rows of a score table: scores.py's columns; format_ok, r1v_correct and exact_correct 0 or 1.

    UserError if the file is none, or damaged, if exact_correct and outcome contradict each other, or if an id
    is twice.
    """
    verify_sealed(path, "let snakemake score the answers")
    try:
        scores = pd.read_csv(path, dtype=dict.fromkeys(_SCORE_TEXT, str), keep_default_na=False)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        raise UserError(f"{path}: is no csv; remove it and let snakemake score the answers again") from None
    for column in SCORE_COLUMNS:
        if column not in scores:
            raise UserError(
                f"{path}: has no column {column!r}; remove it and let snakemake score the answers again"
            )
    for column in ("format_ok", "r1v_correct", "exact_correct"):
        if not scores[column].isin([0, 1]).all():
            raise UserError(f"{path}: {column} must be 0 or 1 in every row")
    unknown = scores.outcome[~scores.outcome.isin(OUTCOMES)]
    if len(unknown):
        raise UserError(f"{path}: outcome {unknown.iloc[0]!r} is none of {', '.join(OUTCOMES)}")
    torn = scores.id[(scores.outcome == "correct") != (scores.exact_correct == 1)]
    if len(torn):
        raise UserError(f"{path}: exact_correct and outcome of id {torn.iloc[0]!r} contradict each other")
    scores = scores[scores.task == task]
    if scores.empty:
        raise UserError(f"{path}: has no scores of task {task!r}")
    again = scores.id[scores.id.duplicated()]
    if len(again):
        raise UserError(f"{path}: has id {again.iloc[0]!r} of task {task!r} twice")
    return scores


def _row(entry: EvaluationEntry, scores: pd.DataFrame) -> dict[str, Any]:
    return {
        **entry.model_dump(exclude={"scores", "answers", "examples", "leaks", "artefacts"}),
        "trained_on": entry.trained_on or "",
        "kl_schedule": entry.kl_schedule or "",
        "seed": "" if entry.seed is None else str(entry.seed),
        "seeds": 1,
        "items": len(scores),
        "r1v_correct": int(scores.r1v_correct.sum()),
        "format_ok": int(scores.format_ok.sum()),
        **{column: int((scores.outcome == outcome).sum()) for outcome, column in OUTCOME_COUNTS.items()},
    }


def _shared_items(entry: EvaluationEntry, results: Path) -> dict[str, Any]:
    """How many of the test items the run was trained on; nothing for the backbone, which was not."""
    if entry.leaks is None:
        return dict.fromkeys(_SHARED)
    counts = count_leaks(read_leaks(results / entry.leaks))
    return {"shared_items": counts.same, "near_shared_items": counts.near}


def _pooled_rows(frame: pd.DataFrame) -> list[pd.DataFrame]:
    """One row per point that has several seeds, with the counts of all of them.

    The seeds answer the same items, so the Wilson interval of the pooled counts is that of answers of
    independent models to independent items: it is too narrow for what new items would give.
    """
    added = []
    for _, seeds in frame.groupby(_POINT, dropna=False, sort=False):
        if len(seeds) < 2:
            continue
        accuracies = seeds.r1v_correct / seeds["items"]
        row = seeds.tail(1).assign(
            seed=ALL_SEEDS,
            run="",
            seeds=len(seeds),
            items=seeds["items"].sum(),
            older_code=all_modules(seeds.older_code),
            **{name: seeds[name].sum(min_count=len(seeds)) for name in _SHARED},
            **{name: seeds[name].sum() for name in _COUNTS},
            r1v_minimum=accuracies.min(),
            r1v_maximum=accuracies.max(),
        )
        added.append(row)
    return added


def _with_accuracies(frame: pd.DataFrame) -> pd.DataFrame:
    for name, count in (("r1v", "r1v_correct"), ("exact", "exact_correct"), ("format", "format_ok")):
        intervals = [
            wilson_interval(correct, items)
            for correct, items in zip(frame[count], frame["items"], strict=True)
        ]
        frame[f"{name}_accuracy"] = frame[count] / frame["items"]
        frame[f"{name}_low"] = [low for low, _ in intervals]
        frame[f"{name}_high"] = [high for _, high in intervals]
    for column in ("r1v_minimum", "r1v_maximum"):
        frame[column] = frame[column].fillna(frame.r1v_accuracy) if column in frame else frame.r1v_accuracy
    return frame


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
                weights_must_agree=is_sweep,
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
