"""The table of scores: one row per answer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from othink_mr1.data.progress import Progress
from othink_mr1.errors import UserError
from othink_mr1.scoring.answers import Answer
from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.task_scorers import SCORER_VERSION, Scorer
from othink_mr1.study.artefacts import write_text

COLUMNS = ("id", "task", "format_ok", "r1v_correct")


@dataclass(frozen=True)
class Score:
    """One answer's scores, as in the csv, where true is 1."""

    id: str
    task: str
    format_ok: bool
    r1v_correct: bool


def score_answers(answers: list[Answer], scorers: Mapping[str, Scorer]) -> list[Score]:
    """Score every answer with its task's scorer. scorers: task -> scorer."""
    return [
        Score(
            id=answer.id,
            task=answer.task,
            format_ok=format_followed(answer.completion),
            r1v_correct=scorers[answer.task].r1v_correct(answer.completion, answer.gold),
        )
        for answer in Progress("answers scored", len(answers)).over(iter(answers))
    ]


def totals(scores: Iterable[Score]) -> dict[str, object]:
    """Counts over all scores and per task, with the scorer's version."""
    tasks: dict[str, dict[str, int]] = {}
    for score in scores:
        counts = tasks.setdefault(score.task, {"items": 0, "format_ok": 0, "r1v_correct": 0})
        counts["items"] += 1
        counts["format_ok"] += score.format_ok
        counts["r1v_correct"] += score.r1v_correct
    keys = ("items", "format_ok", "r1v_correct")
    overall = {key: sum(counts[key] for counts in tasks.values()) for key in keys}
    return {"scorer": SCORER_VERSION, **overall, "tasks": tasks}


def write_scores(path: Path, scores: Iterable[Score]) -> None:
    """Write the csv. UserError if another table stands there: no result is written over."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for score in scores:
        table.writerow([score.id, score.task, int(score.format_ok), int(score.r1v_correct)])
    if path.exists():
        if path.is_file() and path.read_bytes() == text.getvalue().encode():
            return
        raise UserError(f"{path}: exists and holds something else; remove it, or choose another name")
    write_text(path, text.getvalue())
