"""Methods compared, each with the best of its candidate settings: as tables for the page."""

from __future__ import annotations

from dataclasses import dataclass

from othink_mr1.exhibits.comparison_table import TaskTable, notes, task_tables
from othink_mr1.exhibits.frames import read_comparison, read_seeds
from othink_mr1.plan.exhibits import comparison, seeds_needed
from othink_mr1.report.inputs import Inputs


@dataclass(frozen=True)
class Comparison:
    """A study's tables, one per training task, and what their columns mean."""

    study: str
    tables: list[TaskTable]
    notes: list[str]


def comparisons(inputs: Inputs) -> list[Comparison]:
    """Those that are there."""
    found = []
    for study, plan in inputs.plan.compared.items():
        files = [inputs.there(f"{name(study)}.csv") for name in (comparison, seeds_needed)]
        if files[0] is not None and files[1] is not None:
            frame = inputs.own(read_comparison(files[0]))
            if len(frame):
                tables = task_tables(plan, frame, inputs.own(read_seeds(files[1])))
                found.append(Comparison(study, tables, notes(plan, frame)))
    return found
