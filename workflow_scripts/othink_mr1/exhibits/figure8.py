"""Figure 8: cross-task case studies: trained on one task, asked about the other. The rule: cases.py."""

from __future__ import annotations

from othink_mr1.exhibits.case_panels import cases_figure
from othink_mr1.exhibits.cases import LOSER, WINNER, Case, find_cases
from othink_mr1.exhibits.figure_files import Figure, FigureInputs
from othink_mr1.exhibits.plans import StudiesPlan
from othink_mr1.exhibits.theme import task_label

_TITLE = "Figure 8 · Cross-task cases"
# The paper's (a) comes first.
_FIRST = ("geometry", "counting")


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from the answers of the cross-task study, with the untrained backbone's for comparison."""
    cases = find_cases(inputs.read_plan(StudiesPlan), inputs.results, ["base", LOSER, WINNER])
    cases = [case for case in cases if case.trained_on != case.tested_on]
    cases.sort(key=lambda case: (case.trained_on, case.tested_on) != _FIRST)
    return cases_figure(_TITLE, cases, _heading, inputs.results)


def _heading(case: Case) -> str:
    return f"Trained on {task_label(case.trained_on)}, tested on {task_label(case.tested_on)}"
