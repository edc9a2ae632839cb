"""Figure 3: GRPO-D against SFT on the task that both were trained on. See cases.py for the rule."""

from __future__ import annotations

from othink_mr1.exhibits.case_panels import cases_figure
from othink_mr1.exhibits.cases import find_cases
from othink_mr1.exhibits.figure_files import Figure, FigureInputs
from othink_mr1.exhibits.labels import method_label, task_label
from othink_mr1.exhibits.plans import CasesPlan


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from the answers of the same-task study."""
    plan = inputs.read_plan(CasesPlan)
    cases = find_cases(plan, inputs.results, [plan.against, plan.proposed])
    cases = [case for case in cases if case.trained_on == case.tested_on]
    names = f"{method_label(plan.proposed)} and {method_label(plan.against)}"
    title = f"{names} on the same item, trained on the same task"
    return cases_figure(
        "Figure 3", title, plan, cases, lambda case: task_label(case.tested_on).capitalize(), inputs.results
    )
