"""The points of a study: its evaluations with their verdicts, grouped so that only the seed differs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from othink_mr1.artefacts.made_of import has_other_answers, has_other_weights
from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.artefacts.verification import verify_sealed
from othink_mr1.csv_cells import unguarded
from othink_mr1.data.examples import read_examples
from othink_mr1.errors import UserError
from othink_mr1.exhibits.frames import read_csv
from othink_mr1.exhibits.plans import EvaluationEntry, StudyPlan
from othink_mr1.scoring.outcomes import OUTCOMES
from othink_mr1.scoring.scores import COLUMNS as SCORE_COLUMNS

_VERDICTS = ("r1v_correct", "exact_correct", "format_ok", "truncated")
_SCORE_TEXT = ("id", "task", "outcome", "reason")


@dataclass(frozen=True)
class PointScores:
    """The verdicts on one point: runs that differ only in their seed, tested on the same items.

    The arrays are [seeds, items] of 0 or 1.
    """

    seeds: tuple[int | None, ...]  # (None,) for the untrained backbone, which has no seed
    items: tuple[str, ...]  # ids, in the same order for all seeds
    pictures: tuple[str, ...]  # per item, an id of its picture: items of one picture are dependent
    r1v_correct: np.ndarray
    exact_correct: np.ndarray
    format_ok: np.ndarray
    truncated: np.ndarray


@dataclass
class StudyPoint:
    """A point: per seed an entry and a table of scores; all tables have the items in the same order."""

    pictures: tuple[str, ...]  # per item
    entries: list[EvaluationEntry] = field(default_factory=list)
    tables: list[pd.DataFrame] = field(default_factory=list)

    def scores(self, seed: int | None = None) -> PointScores:
        """The verdicts of all seeds, or of one. seed: its index in `entries`, not its value."""
        places = range(len(self.entries)) if seed is None else [seed]
        verdicts = {
            column: np.array([self.tables[place][column] for place in places]) for column in _VERDICTS
        }
        seeds = tuple(self.entries[place].seed for place in places)
        return PointScores(seeds, tuple(self.tables[0].id), self.pictures, **verdicts)


def read_points(plan: StudyPlan, results: Path) -> list[StudyPoint]:
    """The points of a plan, in the order of their first evaluations.

    UserError if a table of scores is missing or damaged, if a run has other weights than those that generated
    its answers, or if two evaluations on a task scored different items, so are not comparable.
    """
    first: dict[str, tuple[str, list[str]]] = {}  # task -> its first table, and the ids in there
    pictures: dict[tuple[str, str], tuple[str, ...]] = {}  # task and test set -> the pictures of its items
    points: dict[str, StudyPoint] = {}
    for entry in plan.evaluations:
        _refuse_others(entry, results)
        scores = read_scores(results / entry.scores, entry.tested_on, results / entry.answers)
        file, ids = first.setdefault(entry.tested_on, (entry.scores, list(scores.id)))
        if set(scores.id) != set(ids):
            raise UserError(
                f"{results / entry.scores}: scores other items of {entry.tested_on} than {results / file}"
            )
        of_set = (entry.tested_on, entry.examples)
        if of_set not in pictures:
            pictures[of_set] = _pictures(entry, ids, results)
        point = points.setdefault(entry.point, StudyPoint(pictures[of_set]))
        point.entries.append(entry)
        point.tables.append(scores.set_index("id", drop=False).loc[ids].reset_index(drop=True))
    return list(points.values())


def read_scores(path: Path, task: str, answers: Path) -> pd.DataFrame:
    """A task's rows of a score table, with the columns of scores.py; verdicts and `truncated` are 0 or 1.

    UserError if the file is not a score table or is damaged, if exact_correct and outcome contradict each
    other, if an id occurs twice, or if the scores are of other answers.
    """
    facts = verify_sealed(path, "let snakemake score the answers")
    again = "remove it and let snakemake score the answers again"
    kinds = dict.fromkeys(_SCORE_TEXT, str)
    scores = read_csv(path, SCORE_COLUMNS, again, dtype=kinds, keep_default_na=False)
    scores = scores.assign(**{column: scores[column].map(unguarded) for column in _SCORE_TEXT})
    for column in _VERDICTS:
        if not scores[column].isin([0, 1]).all():
            raise UserError(f"{path}: {column} must be 0 or 1 in every row; {again}")
    unknown = scores.outcome[~scores.outcome.isin(OUTCOMES)]
    if len(unknown):
        raise UserError(f"{path}: outcome {unknown.iloc[0]!r} is none of {', '.join(OUTCOMES)}; {again}")
    torn = scores.id[(scores.outcome == "correct") != (scores.exact_correct == 1)]
    if len(torn):
        raise UserError(
            f"{path}: exact_correct and outcome of id {torn.iloc[0]!r} contradict each other; {again}"
        )
    scores = scores[scores.task == task]
    if scores.empty:
        raise UserError(f"{path}: has no scores of task {task!r}; {again}")
    twice = scores.id[scores.id.duplicated()]
    if len(twice):
        raise UserError(f"{path}: has id {twice.iloc[0]!r} of task {task!r} twice; {again}")
    # The answers may have been deleted since.
    if (answers.parent / MANIFEST).exists() and has_other_answers(
        facts, read_manifest(answers.parent), answers.name
    ):
        raise UserError(
            f"{path}: scores other answers than {answers} has now; delete {path} and run snakemake again"
        )
    return scores


def _refuse_others(entry: EvaluationEntry, results: Path) -> None:
    """UserError if the run was trained again since its answers were generated, and has other weights."""
    answers = (results / entry.answers).parent
    run = results / "runs" / entry.run
    if not all((folder / MANIFEST).exists() for folder in (answers, run)):
        return  # either may have been deleted since
    if has_other_weights(read_manifest(answers), read_manifest(run)):
        raise UserError(
            f"{answers}: made of other weights than {run} has now; delete it and "
            f"{results / entry.scores}, then run snakemake again"
        )


def _pictures(entry: EvaluationEntry, ids: Iterable[str], results: Path) -> tuple[str, ...]:
    """The digest of each item's picture."""
    examples = read_examples(results / entry.examples)
    known = {item.id: hashlib.sha256(item.image).hexdigest() for item in examples}
    if strange := set(ids) - set(known):
        raise UserError(
            f"{results / entry.scores}: scores {entry.tested_on} item {min(strange)!r}, which "
            f"{results / entry.examples} does not have; remove the scores and run snakemake again"
        )
    return tuple(known[item] for item in ids)
