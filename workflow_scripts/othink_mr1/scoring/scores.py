"""The table of scores: one row per answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.atomic_files import require_writable
from othink_mr1.artefacts.made_of import ANSWERS_DIGEST
from othink_mr1.artefacts.manifests import seal, unreadable, write_sealed_text
from othink_mr1.csv_cells import guarded
from othink_mr1.data.progress import Progress
from othink_mr1.errors import UserError
from othink_mr1.plan.versions import SCORER
from othink_mr1.scoring.answers import Answer
from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.outcomes import OUTCOMES, Judgement
from othink_mr1.scoring.workers import Question, RefusedQuestion, ScoringWorkers, TimedOut

COLUMNS = ("id", "task", "format_ok", "r1v_correct", "exact_correct", "outcome", "reason", "truncated")
_COUNTED = ("format_ok", "r1v_correct", "exact_correct")

_BATCH = 500  # answers per worker and batch; progress is only checked between batches


@dataclass(frozen=True)
class Score:
    """One answer's scores, as in the csv, where true is 1.

    outcome and reason are the exact scorer's; r1v has none, but if it exceeded a limit, reason says so.
    truncated: as in the answers' file; empty in the csv if that does not say.
    """

    id: str
    task: str
    format_ok: bool
    r1v_correct: bool
    exact_correct: bool
    outcome: str
    reason: str
    truncated: bool | None = None


def score_answers(
    answers: Sequence[Answer], scorers: Mapping[str, str], workers: ScoringWorkers
) -> list[Score]:
    """Score every answer with its task's scorer, by both protocols. scorers: task -> name of its scorer.

    UserError if the scorer refuses a gold; it names the answer by its line in the file.
    """
    return list(Progress("answers scored", len(answers)).over(_scores(answers, scorers, workers)))


def _scores(
    answers: Sequence[Answer], scorers: Mapping[str, str], workers: ScoringWorkers
) -> Iterator[Score]:
    for start in range(0, len(answers), _BATCH * workers.count):
        batch = answers[start : start + _BATCH * workers.count]
        questions = [
            Question(scorers[answer.task], rule, answer.completion, answer.gold)
            for rule in ("r1v_correct", "exact_outcome")
            for answer in batch
        ]
        try:
            replies = workers.answers(questions)
        except RefusedQuestion as error:
            number = start + questions.index(error.question) % len(batch)
            answer = answers[number]
            where = f"line {number + 1}: task {answer.task!r}, id {answer.id!r}"
            raise UserError(f"{where}: {error}") from None
        for answer, r1v, exact in zip(batch, replies[: len(batch)], replies[len(batch) :], strict=True):
            yield _score(answer, r1v, exact)


def _score(answer: Answer, r1v: Any, exact: Any) -> Score:
    judgement = Judgement("timeout", exact.reason) if isinstance(exact, TimedOut) else exact
    reasons = [judgement.reason] if judgement.reason else []
    if isinstance(r1v, TimedOut):
        reasons.append(f"r1v: {r1v.reason}")
    return Score(
        id=answer.id,
        task=answer.task,
        format_ok=format_followed(answer.completion),
        r1v_correct=r1v is True,
        exact_correct=judgement.correct,
        outcome=judgement.outcome,
        reason="; ".join(reasons),
        truncated=answer.truncated,
    )


def totals(scores: Sequence[Score]) -> dict[str, object]:
    """Counts over all scores and per task, with the scorers' version."""
    by_task: dict[str, list[Score]] = {}
    for score in scores:
        by_task.setdefault(score.task, []).append(score)
    tasks = {task: _counts(of_task) for task, of_task in by_task.items()}
    return {"scorer": SCORER, **_counts(scores), "tasks": tasks}


def _counts(scores: Sequence[Score]) -> dict[str, object]:
    outcomes = [score.outcome for score in scores]
    return {
        "items": len(scores),
        **{name: sum(getattr(score, name) for score in scores) for name in _COUNTED},
        "outcomes": {outcome: outcomes.count(outcome) for outcome in OUTCOMES},
    }


def require_place_for_scores(path: Path) -> None:
    """UserError if a table of scores cannot be written there, or something else is already there."""
    require_writable(path)
    try:
        with path.open("rb") as stream:
            first = stream.readline()
    except FileNotFoundError:
        return
    except OSError as error:
        raise unreadable(path, error) from None
    if first.rstrip() != ",".join(COLUMNS).encode():
        raise UserError(f"{path}: exists and has other contents; remove it, or choose another name")


def write_scores(path: Path, scores: Iterable[Score], answers_sha256: str) -> None:
    """Write the csv and its manifest, which identifies the scored answers by their sha256.

    UserError if another table is there (no result is overwritten), or if it cannot be written.
    """
    facts = {ANSWERS_DIGEST: answers_sha256}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for score in scores:
        values = (getattr(score, column) for column in COLUMNS)
        table.writerow([int(value) if isinstance(value, bool) else guarded(value) for value in values])
    try:
        if not path.exists():
            write_sealed_text(path, text.getvalue(), facts)
        elif path.is_file() and path.read_bytes() == text.getvalue().encode():
            seal(path, facts)  # its manifest may have been lost
        else:
            raise UserError(f"{path}: exists and has other contents; remove it, or choose another name")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
