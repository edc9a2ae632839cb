"""Choosing the test items of figures 3 and 8, by a rule and not by hand.

The rule: the first item of the test set that the winner answers correctly (by r1v) and the loser does not.
Only the lowest seed, one backbone, and each method's first setting in the plan are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from othink_mr1.data.examples import Example, read_examples
from othink_mr1.data.leaks import read_leaks
from othink_mr1.errors import UserError
from othink_mr1.exhibits.plans import EvaluationEntry, StudiesPlan
from othink_mr1.exhibits.read_points import read_scores
from othink_mr1.exhibits.text import visible
from othink_mr1.exhibits.theme import method_label
from othink_mr1.scoring.answers import read_answers

WINNER, LOSER = "grpo-d", "sft"
COLUMNS = (
    "trained_on",
    "tested_on",
    "id",
    "question",
    "gold",
    "in_training_set",
    "method",
    "r1v_correct",
    "completion",
    "missing",
)


@dataclass(frozen=True)
class Shown:
    """One method's completion for the item."""

    method: str
    completion: str
    correct: bool


@dataclass(frozen=True)
class Case:
    """The item chosen for one pair of tasks; without one, `missing` says why."""

    trained_on: str
    tested_on: str
    example: Example | None
    shown: tuple[Shown, ...] = ()
    missing: str = ""
    leak: str = ""  # if the methods were trained on it: "same" picture and question, or "near"


def subtitle(frame: pd.DataFrame) -> list[str]:
    """The rule as applied to the cases of a frame."""
    several = frame.method.astype(str).str.contains(",").any()
    return [rule_line() + (", first setting" if several else "")]


def rule_line() -> str:
    """The rule, in one line."""
    return (
        f"rule: the first test item, in the set's order, that {method_label(WINNER)} answers correctly and "
        f"{method_label(LOSER)} does not (r1v scorer); lowest seed"
    )


def find_cases(plan: StudiesPlan, results: Path, methods: Sequence[str]) -> list[Case]:
    """One case per pair of training and test task for which the plan evaluates the winner or the loser.

    methods: those shown for the item, in this order, if the plan has them.
    """
    entries = [entry for study in plan.studies for entry in study.evaluations if entry.step is None]
    entries = [entry for entry in entries if entry.backbone == entries[0].backbone]
    pairs = dict.fromkeys(
        (entry.trained_on, entry.tested_on)
        for entry in entries
        if entry.trained_on and entry.method in (WINNER, LOSER)
    )
    return [
        _case(entries, results, trained_on, tested_on, methods)
        for trained_on, tested_on in pairs
        if trained_on
    ]


def cases_frame(cases: Sequence[Case]) -> pd.DataFrame:
    """The figure's data: one row per case and method; a missing case is one row that says why."""
    rows: list[tuple[object, ...]] = []
    for case in cases:
        pair = (case.trained_on, case.tested_on)
        if case.example is None:
            rows.append((*pair, *[None] * 7, case.missing))
            continue
        item = (case.example.id, visible(case.example.question), visible(case.example.gold), case.leak)
        for shown in case.shown:
            text = visible(shown.completion)
            rows.append((*pair, *item, shown.method, int(shown.correct), text, None))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"r1v_correct": "Int64"})


def _case(
    entries: Sequence[EvaluationEntry], results: Path, trained_on: str, tested_on: str, methods: Sequence[str]
) -> Case:
    found = {
        method: _evaluation(entries, method, trained_on, tested_on) for method in {WINNER, LOSER, *methods}
    }
    winner, loser = found[WINNER], found[LOSER]
    if winner is None or loser is None:
        absent = method_label(WINNER if winner is None else LOSER)
        return Case(trained_on, tested_on, None, missing=f"no such case: this study has no {absent} here")
    wanted = _correct_ids(results, winner) - _correct_ids(results, loser)
    examples = results / winner.examples
    example = next((example for example in read_examples(examples) if example.id in wanted), None)
    if example is None:
        which = f"that {method_label(WINNER)} answers correctly and {method_label(LOSER)} does not"
        missing = f"no such case: there is no item {which}"
        return Case(trained_on, tested_on, None, missing=missing)
    shown = [
        Shown(
            ", ".join([method, *(f"{path}={value}" for path, value in entry.varied.items())]),
            _completion(results, entry, example.id),
            example.id in _correct_ids(results, entry),
        )
        for method in methods
        if (entry := found[method]) is not None
    ]
    return Case(trained_on, tested_on, example, tuple(shown), leak=_leak(results, winner, example.id))


def _leak(results: Path, entry: EvaluationEntry, example_id: str) -> str:
    """How the item appears in the training set: "same", "near", or "" if it does not."""
    leaks = read_leaks(results / entry.leaks) if entry.leaks is not None else []
    found = (leak.picture for leak in leaks if leak.test_id == example_id and leak.question == "same")
    return next(found, "")


def _evaluation(
    entries: Sequence[EvaluationEntry], method: str, trained_on: str, tested_on: str
) -> EvaluationEntry | None:
    """The method's evaluation with the lowest seed, or the first in the plan of several with that seed.

    An untrained method's evaluation is used for every training task.
    """
    fitting = [
        entry
        for entry in entries
        if entry.method == method and entry.tested_on == tested_on and entry.trained_on in (trained_on, None)
    ]
    return min(fitting, key=lambda entry: entry.seed or 0, default=None)


def _correct_ids(results: Path, entry: EvaluationEntry) -> set[str]:
    scores = read_scores(results / entry.scores, entry.tested_on, results / entry.answers)
    return set(scores.id[scores.r1v_correct == 1])


def _completion(results: Path, entry: EvaluationEntry, example_id: str) -> str:
    path = results / entry.answers
    for answer in read_answers(path):
        if (answer.task, answer.id) == (entry.tested_on, example_id):
            return answer.completion
    raise UserError(f"{path}: has no answer to {entry.tested_on} item {example_id!r}, though the set has it")
