"""The verdicts behind a study's points, read from its score tables and test sets."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from othink_mr1.data.examples import read_examples
from othink_mr1.errors import UserError
from othink_mr1.exhibits.claims import ClaimPoint
from othink_mr1.exhibits.collect import read_scores
from othink_mr1.exhibits.older_code_note import all_modules
from othink_mr1.exhibits.plan_files import EvaluationEntry, StudyPlan
from othink_mr1.exhibits.point_scores import PointScores
from othink_mr1.study.older_code import OlderCode


def claim_points(plan: StudyPlan, results: Path) -> list[ClaimPoint]:
    """The points of a study's final checkpoints.

    UserError if a score table or a test set is missing or damaged, or if they have other items.
    """
    groups: dict[tuple[object, ...], list[EvaluationEntry]] = {}
    for entry in plan.evaluations:
        if entry.step is None:
            groups.setdefault(_point(entry), []).append(entry)
    older_code = OlderCode(results)
    points = []
    for entries in groups.values():
        first = entries[0]
        older = all_modules(" ".join(older_code.of(entry.artefacts)) for entry in entries)
        points.append(
            ClaimPoint(
                first.backbone,
                first.method,
                first.trained_on or "",
                first.tested_on,
                first.format_weight,
                first.kl_weight,
                read_point(entries, results),
                older_code=older,
            )
        )
    return points


def read_point(entries: Sequence[EvaluationEntry], results: Path) -> PointScores:
    """The verdicts of the runs of one point, in the order of the test set."""
    pictures = _pictures(results / entries[0].examples)
    tables = []
    for entry in entries:
        scores = read_scores(results / entry.scores, entry.tested_on).set_index("id")
        if set(scores.index) != set(pictures):
            raise UserError(
                f"{results / entry.scores}: scores other items than {results / entry.examples} has"
            )
        tables.append(scores.loc[list(pictures)])
    columns = {
        name: np.array([table[name].to_numpy(dtype=int) for table in tables])
        for name in ("r1v_correct", "exact_correct", "format_ok")
    }
    seeds = tuple(entry.seed for entry in entries)
    return PointScores(seeds, tuple(pictures), tuple(pictures.values()), **columns)


def _point(entry: EvaluationEntry) -> tuple[object, ...]:
    return (
        *(entry.backbone, entry.method, entry.trained_on, entry.tested_on, entry.steps),
        *(entry.format_weight, entry.kl_weight, entry.kl_schedule),
    )


@cache
def _pictures(examples: Path) -> dict[str, str]:
    """Id -> what identifies the item's picture, in the order of the set."""
    return {item.id: hashlib.sha256(item.image).hexdigest() for item in read_examples(examples)}
