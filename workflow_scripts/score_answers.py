"""Score any file of answers: writes a csv with one row per answer, prints totals as JSON on stdout.

Each line of the file is {"id", "task", "question", "gold", "completion"}. The columns are described in
othink_mr1/scoring/scores.py, the two protocols in othink_mr1/scoring/__init__.py.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os

from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.path_argument import path_argument
from othink_mr1.scoring.answers import parse_answers, read_content
from othink_mr1.scoring.scores import require_place_for_scores, score_answers, totals, write_scores
from othink_mr1.scoring.task_scorers import load_scorer
from othink_mr1.scoring.workers import ScoringWorkers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=path_argument, required=True, help="answers.jsonl; only read")
    parser.add_argument("--scores", type=path_argument, required=True, help="csv to write")
    parser.add_argument(
        "--workers",
        type=int,
        default=min(4, len(os.sched_getaffinity(0))),
        help="scoring processes; the scores do not depend on it (default: one per processor, 4 at most)",
    )
    parser.add_argument(
        "--scorer",
        action="append",
        default=[],
        metavar="TASK=SCORER",
        help="scorer of a task, repeatable; by default the scorer with the task's name",
    )
    arguments = parser.parse_args()

    chosen: dict[str, str] = {}
    for pair in arguments.scorer:
        task, separator, name = pair.partition("=")
        if not (task and separator and name):
            raise UserError(f"--scorer {pair!r}: must be TASK=SCORER")
        chosen[task] = name
    content = read_content(arguments.answers)
    answers = parse_answers(content, arguments.answers)
    first_lines: dict[str, int] = {}
    for line, answer in enumerate(answers, start=1):
        first_lines.setdefault(answer.task, line)
    for task in chosen.keys() - first_lines.keys():
        raise UserError(
            f"--scorer {task}={chosen[task]}: no answer is of this task, but of {', '.join(first_lines)}"
        )
    scorers = {task: chosen.get(task, task) for task in first_lines}
    for task, name in scorers.items():
        try:
            load_scorer(name)  # report an unknown scorer before the work begins
        except UserError as error:
            where = (
                f"--scorer {task}={name}"
                if task in chosen
                else f"{arguments.answers}, line {first_lines[task]}"
            )
            raise UserError(f"{where}: {error}") from None
    require_place_for_scores(arguments.scores)
    with ScoringWorkers(arguments.workers) as workers:
        try:
            scores = score_answers(answers, scorers, workers)
        except UserError as error:
            raise UserError(f"{arguments.answers}, {error}") from None
    write_scores(arguments.scores, scores, hashlib.sha256(content).hexdigest())
    print(json.dumps(totals(scores), ensure_ascii=False))


if __name__ == "__main__":
    run_entry_point(main)
