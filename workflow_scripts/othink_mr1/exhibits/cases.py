"""Choosing the test items of figures 3 and 8, by a rule and not by hand.

The rule: the first items of the test set that the proposed method answers correctly (by r1v) and the method
that it stands against does not. Only the lowest seed, one backbone, and each method's first setting in the
plan are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from othink_mr1.data.examples import Example, read_examples
from othink_mr1.data.leaks import read_leaks
from othink_mr1.errors import UserError
from othink_mr1.exhibits.labels import method_label
from othink_mr1.exhibits.plans import CasesPlan, EvaluationEntry
from othink_mr1.exhibits.read_points import read_scores
from othink_mr1.exhibits.text import visible
from othink_mr1.scoring.answers import read_answers

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
class Outcomes:
    """How many items of a test set both methods, only one and none answer correctly, by r1v."""

    both: int
    only_proposed: int
    only_against: int
    neither: int

    @property
    def items(self) -> int:
        return self.both + self.only_proposed + self.only_against + self.neither

    def line(self, proposed: str, against: str) -> str:
        """In words. proposed, against: the methods' printed names."""
        return (
            f"of {self.items} items, both answer {self.both} correctly, only {proposed} "
            f"{self.only_proposed}, only {against} {self.only_against}, neither {self.neither}"
        )


@dataclass(frozen=True)
class Item:
    """One item with the methods' completions. leak: if the methods were trained on it, "same" or "near"."""

    example: Example
    shown: tuple[Shown, ...]
    leak: str


@dataclass(frozen=True)
class Case:
    """The items chosen for one pair of tasks; without any, `missing` says why."""

    trained_on: str
    tested_on: str
    items: tuple[Item, ...] = ()
    missing: str = ""
    outcomes: Outcomes | None = None


def rule_line(plan: CasesPlan) -> str:
    """The rule, in one line."""
    which = "item" if plan.cases == 1 else f"{plan.cases} items"
    several = any(entry.varied for study in plan.studies for entry in study.evaluations)
    which_setting = ", first setting" if several else ""
    return (
        f"rule: the first test {which}, in the set's order, that {method_label(plan.proposed)} answers "
        f"correctly and {method_label(plan.against)} does not (r1v scorer); lowest seed{which_setting}"
    )


def find_cases(plan: CasesPlan, results: Path, methods: Sequence[str]) -> list[Case]:
    """One case per pair of training and test task for which the plan evaluates one of the two methods.

    methods: those shown for the item, in this order, if the plan has them.
    """
    entries = [entry for study in plan.studies for entry in study.evaluations if entry.step is None]
    entries = [entry for entry in entries if entry.backbone == entries[0].backbone]
    pairs = dict.fromkeys(
        (entry.trained_on, entry.tested_on)
        for entry in entries
        if entry.trained_on and entry.method in (plan.proposed, plan.against)
    )
    return [
        _case(plan, entries, results, trained_on, tested_on, methods)
        for trained_on, tested_on in pairs
        if trained_on
    ]


def cases_frame(cases: Sequence[Case]) -> pd.DataFrame:
    """The figure's data: one row per case and method; a missing case is one row that says why."""
    rows: list[tuple[object, ...]] = []
    for case in cases:
        pair = (case.trained_on, case.tested_on)
        if not case.items:
            rows.append((*pair, *[None] * 7, case.missing))
        for item in case.items:
            example = item.example
            about = (example.id, visible(example.question), visible(example.gold), item.leak)
            for shown in item.shown:
                rows.append(
                    (*pair, *about, shown.method, int(shown.correct), visible(shown.completion), None)
                )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"r1v_correct": "Int64"})


def _case(
    plan: CasesPlan,
    entries: Sequence[EvaluationEntry],
    results: Path,
    trained_on: str,
    tested_on: str,
    methods: Sequence[str],
) -> Case:
    found = {
        method: _evaluation(entries, method, trained_on, tested_on)
        for method in {plan.proposed, plan.against, *methods}
    }
    proposed, against = found[plan.proposed], found[plan.against]
    if proposed is None or against is None:
        absent = method_label(plan.proposed if proposed is None else plan.against)
        return Case(trained_on, tested_on, missing=f"no such case: this study has no {absent} here")
    right, others = _correct_ids(results, proposed), _correct_ids(results, against)
    examples = results / proposed.examples
    ids = [example.id for example in read_examples(examples)]
    outcomes = Outcomes(
        both=len(right & others),
        only_proposed=len(right - others),
        only_against=len(others - right),
        neither=len(set(ids) - right - others),
    )
    wanted = [one for one in ids if one in right - others][: plan.cases]
    if not wanted:
        names = f"{method_label(plan.proposed)} answers correctly and {method_label(plan.against)} does not"
        missing = f"no such case: there is no item that {names}"
        return Case(trained_on, tested_on, missing=missing, outcomes=outcomes)
    items = tuple(
        Item(
            example,
            tuple(
                _shown(results, entry, method, example.id)
                for method in methods
                if (entry := found[method]) is not None
            ),
            _leak(results, proposed, example.id),
        )
        for example in read_examples(examples)
        if example.id in wanted
    )
    return Case(trained_on, tested_on, items, outcomes=outcomes)


def _shown(results: Path, entry: EvaluationEntry, method: str, example_id: str) -> Shown:
    return Shown(
        ", ".join([method, *(f"{path}={value}" for path, value in entry.varied.items())]),
        _completion(results, entry, example_id),
        example_id in _correct_ids(results, entry),
    )


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
    raise UserError(
        f"{path}: has no answer to {entry.tested_on} item {example_id!r}, which is in the test set; delete "
        f"{path.parent} and run snakemake again"
    )
