"""Figure 8: cross-task case studies: trained on one task, asked about the other. The rule: cases.py."""

from __future__ import annotations

from othink_mr1.exhibits.case_panels import cases_figure
from othink_mr1.exhibits.cases import Case, find_cases
from othink_mr1.exhibits.figure_files import Figure, FigureInputs
from othink_mr1.exhibits.labels import task_label
from othink_mr1.exhibits.plans import CasesPlan

# The paper's (a) comes first.
_FIRST = ("geometry", "counting")


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from the answers of the cross-task study, with the untrained backbone's for comparison."""
    plan = inputs.read_plan(CasesPlan)
    cases = find_cases(plan, inputs.results, ["base", plan.against, plan.proposed])
    cases = [case for case in cases if case.trained_on != case.tested_on]
    cases.sort(key=lambda case: (case.trained_on, case.tested_on) != _FIRST)
    return cases_figure("Figure 8", "Cross-task cases", plan, cases, _heading, inputs.results)


def _heading(case: Case) -> str:
    return f"Trained on {task_label(case.trained_on)}, tested on {task_label(case.tested_on)}"
