"""scorer_audit.csv: where the published scorer (r1v) and the exact one disagree.

Per evaluation: four rows of kind `table`, the 2 x 2 table with its counts in `items`; then one row of kind
`item` for each test item that the scorers judge differently, in the order of the scores.

Golds and completions are untrusted. Each text is put on one line and cut to 200 characters; unprintable
characters become □.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.errors import UserError
from othink_mr1.exhibits.plans import EvaluationEntry, StudyPlan
from othink_mr1.exhibits.read_points import read_scores
from othink_mr1.exhibits.text import ELLIPSIS, one_line, visible
from othink_mr1.scoring.answer_tag import answer_text
from othink_mr1.scoring.answers import Answer, read_answers

LONGEST = 200  # characters of a text
_TEXTS = ("id", "gold", "answer", "completion_end", "outcome", "reason")
COLUMNS = (
    "kind",  # table or item
    "point",  # as in the study's csv
    "backbone",
    "method",
    "run",
    "step",  # empty for the final checkpoint
    "trained_on",
    "tested_on",
    "seed",
    "varied",  # settings in which runs of this method and task differ: path=value; ...
    "r1v_correct",
    "exact_correct",
    "items",  # number of items with these two verdicts; 1 for an item
    *_TEXTS,  # of an item; answer: the text of its answer tag, empty if it has none or several
)


def audit_scores(plan: StudyPlan, results: Path) -> pd.DataFrame:
    """The audit of all evaluations of a plan, in its order, with COLUMNS.

    UserError if scores or answers are missing or damaged, or if they are of different items.
    """
    rows: list[dict[str, Any]] = []
    for entry in plan.evaluations:
        scores = read_scores(results / entry.scores, entry.tested_on, results / entry.answers)
        answers = _answers(entry, results, scores)
        rows += [entry.columns() | row for row in (*_table(scores), *_items(scores, answers))]
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return frame.astype({"step": "float64"}).astype({"step": "Int64"})


def _answers(entry: EvaluationEntry, results: Path, scores: pd.DataFrame) -> dict[str, Answer]:
    """Id -> answer. UserError if the scores are not of these."""
    path = results / entry.answers
    answers = {answer.id: answer for answer in read_answers(path) if answer.task == entry.tested_on}
    others = set(answers) ^ set(scores.id)
    if others:
        first = min(others)
        which = "only the answers have" if first in answers else "only the scores have"
        raise UserError(
            f"{results / entry.scores}: is not of the answers in {path}: {which} {entry.tested_on} item "
            f"{first!r}; remove the scores and let snakemake score the answers again"
        )
    return answers


def _table(scores: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for r1v in (1, 0):
        for exact in (1, 0):
            items = int(((scores.r1v_correct == r1v) & (scores.exact_correct == exact)).sum())
            verdicts = {"kind": "table", "r1v_correct": r1v, "exact_correct": exact, "items": items}
            yield verdicts | dict.fromkeys(_TEXTS, "")


def _items(scores: pd.DataFrame, answers: dict[str, Answer]) -> Iterator[dict[str, Any]]:
    for score in scores[scores.r1v_correct != scores.exact_correct].to_dict("records"):
        answer = answers[score["id"]]
        tag = answer_text(answer.completion)
        yield {
            "kind": "item",
            "r1v_correct": score["r1v_correct"],
            "exact_correct": score["exact_correct"],
            "items": 1,
            "id": one_line(answer.id, LONGEST),
            "gold": one_line(answer.gold, LONGEST),
            "answer": one_line(tag, LONGEST) if isinstance(tag, str) else "",
            "completion_end": one_line(_end(answer.completion), LONGEST),
            "outcome": score["outcome"],
            "reason": one_line(score["reason"], LONGEST),
        }


def _end(text: str) -> str:
    """The last characters: what r1v read without an answer tag, or besides it."""
    line = " ".join(visible(text).split())
    return line if len(line) <= LONGEST else ELLIPSIS + line[-(LONGEST - 1) :]
