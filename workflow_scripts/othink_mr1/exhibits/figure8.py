"""Figure 8: cross-task case studies: trained on one task, asked about the other. The rule: cases.py."""

from __future__ import annotations

from othink_mr1.exhibits.case_panels import WIDTH, draw_cases
from othink_mr1.exhibits.cases import LOSER, WINNER, Case, cases_frame, find_cases, subtitle
from othink_mr1.exhibits.figure_inputs import FigureInputs
from othink_mr1.exhibits.marks import titled
from othink_mr1.exhibits.output import Figure
from othink_mr1.exhibits.plans import StudiesPlan
from othink_mr1.exhibits.theme import task_label

_TITLE = "Figure 8 · Cross-task cases"
# The paper's (a) comes first.
_FIRST = ("geometry", "counting")


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from the answers of the cross-task study; the untrained backbone's are shown beside."""
    cases = find_cases(inputs.read_plan(StudiesPlan), inputs.results, ["base", LOSER, WINNER])
    cases = [case for case in cases if case.trained_on != case.tested_on]
    cases.sort(key=lambda case: (case.trained_on, case.tested_on) != _FIRST)
    chart = draw_cases(cases, _heading, inputs.results)
    frame = cases_frame(cases)
    return Figure(chart.properties(title=titled(_TITLE, subtitle(frame), WIDTH)), frame)


def _heading(case: Case) -> str:
    return f"Trained on {task_label(case.trained_on)}, tested on {task_label(case.tested_on)}"
