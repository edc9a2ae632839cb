"""Verdicts must not move under one number: old scores would stand beside new ones as if they compared."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

from othink_mr1.plan.versions import SCORER
from othink_mr1.scoring.task_scorers import load_scorer

LABELLED = Path(__file__).with_name("labelled_geometry.tsv")
# Of all verdicts on the labelled set, by the version that gives them. When verdicts move: raise SCORER, and
# enter its digest.
VERDICTS = {"5": "f1bfa2a90790287200c290bef4f28c447221be12cb03534a395e652eca6b01c5"}


def test_verdicts_move_with_the_version_alone() -> None:
    scorer = load_scorer("geometry")
    digest = hashlib.sha256()
    with LABELLED.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE):
            completion = f"<think>x</think> <answer> {row['answer']} </answer>"
            judged = scorer.exact_outcome(completion, row["gold"])
            digest.update(f"{scorer.r1v_correct(completion, row['gold'])} {judged.outcome}\n".encode())
    assert VERDICTS[SCORER] == digest.hexdigest()
