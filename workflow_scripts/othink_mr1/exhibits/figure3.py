"""Figure 3: GRPO-D against SFT on the task that both were trained on. See cases.py for the rule."""

from __future__ import annotations

from othink_mr1.exhibits.case_panels import WIDTH, draw_cases
from othink_mr1.exhibits.cases import LOSER, WINNER, Case, cases_frame, find_cases, subtitle
from othink_mr1.exhibits.figure_inputs import FigureInputs
from othink_mr1.exhibits.marks import titled
from othink_mr1.exhibits.output import Figure
from othink_mr1.exhibits.plans import StudiesPlan
from othink_mr1.exhibits.theme import task_label

_TITLE = "Figure 3 · GRPO-D and SFT on the same item, trained on the same task"


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from the answers of the same-task study."""
    cases = find_cases(inputs.read_plan(StudiesPlan), inputs.results, [LOSER, WINNER])
    cases = [case for case in cases if case.trained_on == case.tested_on]
    chart = draw_cases(cases, _heading, inputs.results)
    frame = cases_frame(cases)
    return Figure(chart.properties(title=titled(_TITLE, subtitle(frame), WIDTH)), frame)


def _heading(case: Case) -> str:
    return f"{task_label(case.tested_on).capitalize()}"
