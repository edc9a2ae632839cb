"""Figure 3: GRPO-D against SFT on the task that both were trained on. See cases.py for the rule."""

from __future__ import annotations

from othink_mr1.exhibits.case_panels import cases_figure
from othink_mr1.exhibits.cases import LOSER, WINNER, find_cases
from othink_mr1.exhibits.figure_files import Figure, FigureInputs
from othink_mr1.exhibits.plans import StudiesPlan
from othink_mr1.exhibits.theme import task_label

_TITLE = "Figure 3 · GRPO-D and SFT on the same item, trained on the same task"


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from the answers of the same-task study."""
    cases = find_cases(inputs.read_plan(StudiesPlan), inputs.results, [LOSER, WINNER])
    cases = [case for case in cases if case.trained_on == case.tested_on]
    return cases_figure(_TITLE, cases, lambda case: task_label(case.tested_on).capitalize(), inputs.results)
