"""Table 1, the matrix of tasks, outcomes item by item, the runs: as rows for the page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from othink_mr1.exhibits.cases import Outcomes
from othink_mr1.exhibits.frames import by_setting
from othink_mr1.exhibits.labels import method_label, method_styles, task_label
from othink_mr1.exhibits.plans import ReportPlan
from othink_mr1.exhibits.table1 import Table, table1
from othink_mr1.report.inputs import Inputs
from othink_mr1.report.items import TaskItems

SHADES = 20  # of a cell, from white to full


@dataclass(frozen=True)
class MatrixCell:
    """An accuracy, its interval and the paper's, in percent. shade: 0 to SHADES; own: the task trained on."""

    value: float | None
    low: float | None
    high: float | None
    paper: float | None
    shade: int
    own: bool


@dataclass(frozen=True)
class Matrix:
    """A method's accuracies: a row per training task, the untrained first, and a column per tested task.

    untrained: the method that the first row is of, base or a checkpoint that was not trained here.
    """

    method: str
    untrained: str
    tested: list[str]
    rows: list[tuple[str, list[MatrixCell]]]


@dataclass(frozen=True)
class Compared:
    """How the proposed method and the one that it stands against do on the same items."""

    tested_on: str
    trained_on: str
    outcomes: Outcomes


def main_table(inputs: Inputs) -> Table | None:
    """Table 1, as in tables/table1.md."""
    frame = inputs.study("same_task")
    return None if frame is None or frame.empty else table1(frame, inputs.plan)


def matrices(inputs: Inputs) -> list[Matrix]:
    """One per method: every task trained, every task tested, as far as studies have them."""
    frames = [inputs.points(name) for name in ("same_task", "cross_task")]
    there = [frame for frame in frames if frame is not None and len(frame)]
    if not there:
        return []
    points = by_setting(pd.concat(there, ignore_index=True).drop_duplicates(["point"]))
    tested = list(dict.fromkeys(points.tested_on))
    base = points[(points.trained_on == "") & (points.method == "base")]
    found = []
    for method in method_styles(set(points.method) - {"base"}):
        own = points[points.method == method]
        # Another's checkpoint may have been trained on no task here.
        untrained = method if (own.trained_on == "").any() else "base"
        start = base if untrained == "base" else own[own.trained_on == ""]
        rows = [("", [_cell(start[start.tested_on == task]) for task in tested])]
        for trained in dict.fromkeys(own.trained_on[own.trained_on != ""]):
            of = own[own.trained_on == trained]
            cells = [_cell(of[of.tested_on == task], own=task == trained) for task in tested]
            rows.append((str(trained), cells))
        found.append(Matrix(method, untrained, tested, rows))
    return found


def _cell(rows: pd.DataFrame, own: bool = False) -> MatrixCell:
    if rows.empty:
        return MatrixCell(None, None, None, None, 0, own)
    row = rows.iloc[0]
    paper = None if pd.isna(row.paper_accuracy) else 100 * float(row.paper_accuracy)
    return MatrixCell(
        100 * float(row.r1v_accuracy),
        100 * float(row.r1v_low),
        100 * float(row.r1v_high),
        paper,
        round(SHADES * float(row.r1v_accuracy)),
        own,
    )


def outcomes(tasks: list[TaskItems], plan: ReportPlan) -> list[Compared]:
    """Per tested and training task, where both methods are there.

    Each has its first setting, as in cases.py; an untrained one stands beside each training task.
    """
    found = []
    for task in tasks:
        own = [run for run in task.runs if run.method in (plan.proposed, plan.against)]
        for trained in dict.fromkeys(run.trained_on for run in own if run.trained_on):
            of = {run.method: run for run in reversed(own) if run.trained_on in (trained, "")}
            if plan.proposed in of and plan.against in of:
                pairs = Counter(zip(of[plan.proposed].right, of[plan.against].right, strict=True))
                counts = [
                    pairs[pair] for pair in ((True, True), (True, False), (False, True), (False, False))
                ]
                found.append(Compared(task.task, trained, Outcomes(*counts)))
    return found


def runs_table(inputs: Inputs) -> list[dict[str, str]]:
    """The finished runs with what they cost and which code made them."""
    rows = []
    for entry in inputs.plan.runs:
        manifest = inputs.manifest(inputs.results / entry.folder)
        if manifest is not None:
            rows.append(
                {
                    "run": entry.run,
                    "method": method_label(entry.method),
                    "task": task_label(entry.task),
                    "seed": str(entry.seed),
                    "steps": str(entry.settings.get("steps", "")),
                    "device": str(manifest.get("device", "")),
                    "minutes": f"{float(manifest.get('wall_seconds') or 0) / 60:.1f}",
                    "gpu_hours": f"{float(manifest.get('gpu_hours') or 0):.2f}",
                    "made": str(manifest.get("made", "")),
                    "commit": str(manifest.get("commit") or ""),
                    "packages": ", ".join(f"{k} {v}" for k, v in dict(manifest.get("packages", {})).items()),
                }
            )
    return rows
