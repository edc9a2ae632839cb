"""Which number was said for which true number, where a task's gold answers are whole numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import altair as alt
import pandas as pd

from othink_mr1.data.examples import Example, read_examples
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import by_setting
from othink_mr1.exhibits.labels import method_label, method_styles, task_label
from othink_mr1.exhibits.marks import per_backbone
from othink_mr1.exhibits.plans import StudiesPlan, lowest_seeds
from othink_mr1.exhibits.theme import INK, SIZE
from othink_mr1.plan.runs import varied_text
from othink_mr1.scoring.answer_tag import answer_text
from othink_mr1.scoring.answers import read_answers

_TITLE = "What was said and what is true"
LARGEST_COUNT = 12  # said numbers above it, and anything else, are `other`
OTHER = "other"
SAID = (OTHER, *(str(number) for number in range(LARGEST_COUNT, -1, -1)))  # from top to bottom
_COLUMNS = 4  # of panels
_KEPT = ["backbone", "task", "method", "varied", "true", "said", "items", "share"]


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from the answers of the same-task study."""
    plan = inputs.read_plan(StudiesPlan)
    parts, hidden = [], {}
    entries = (entry for study in plan.studies for entry in study.evaluations)
    for entry in lowest_seeds(entry for entry in entries if entry.trained_on in (None, entry.tested_on)):
        examples = list(read_examples(inputs.results / entry.examples))
        answers = {
            answer.id: answer.completion
            for answer in read_answers(inputs.results / entry.answers)
            if answer.task == entry.tested_on
        }
        counts = said_counts(examples, [answers.get(example.id, "") for example in examples])
        if line := not_counted(entry.tested_on, examples, counts):
            hidden[entry.tested_on] = line
        about = {"backbone": entry.backbone, "task": entry.tested_on, "method": entry.method}
        parts.append(counts.assign(**about, varied=varied_text(entry.varied)))
    frame = pd.concat(parts, ignore_index=True)[_KEPT]
    chart, lines = per_backbone(frame, _chart)
    return Figure("", _TITLE, chart, frame, [*lines, *hidden.values()])


def not_counted(task: str, examples: Sequence[Example], counts: pd.DataFrame) -> str:
    """What the panels of a task do not show, in words; empty if they show all, or if there are none."""
    others = len(examples) - int(counts["items"].sum())
    if counts.empty or not others:
        return ""
    hidden = f"{others} of {len(examples)} items are not shown"
    return f"{task_label(task)}: {hidden}, as their gold is no whole number up to 99"


def said_counts(examples: Sequence[Example], completions: Iterable[str]) -> pd.DataFrame:
    """Columns true, said, items, and share of the true number's items. Empty if no gold is a whole number."""
    pairs = [
        (int(example.gold), _said(completion))
        for example, completion in zip(examples, completions, strict=True)
        if re.fullmatch(r"\d{1,2}", example.gold)
    ]
    counts = pd.DataFrame(pairs, columns=["true", "said"]).value_counts().rename("items").reset_index()
    return counts.assign(share=counts["items"] / counts.groupby("true")["items"].transform("sum"))


def _said(completion: str) -> str:
    answer = answer_text(completion)
    number = answer.strip() if isinstance(answer, str) else ""
    return str(int(number)) if re.fullmatch(r"\d{1,2}", number) and int(number) <= LARGEST_COUNT else OTHER


def _chart(frame: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    frame = by_setting(frame)
    styles = method_styles(frame.method)
    panels = []
    for task, of_task in frame.groupby("task", sort=False):
        for method in styles:
            counts = of_task[of_task.method == method]
            if len(counts):
                title = f"{method_label(method)}, {task_label(str(task))}"
                panels.append(_panel(counts, title, styles[method].colour))
    caption = [
        "items by their true number and by the number in the answer tag; shade: share of the true number",
        f"{OTHER}: no whole number up to {LARGEST_COUNT}",
        "lowest seed; each trained on the task that it is tested on",
    ]
    return alt.concat(*panels, columns=_COLUMNS, spacing=24), caption


def _panel(counts: pd.DataFrame, title: str, colour: str) -> AnyChart:
    present = [said for said in SAID if said in set(counts.said)]
    base = alt.Chart(counts).encode(
        x=alt.X("true:O", title="true number"), y=alt.Y("said:N", sort=present, title="said")
    )
    shade = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.08, 0.85]), legend=None)
    cells = base.mark_rect(color=colour).encode(opacity=shade)
    numbers = base.mark_text(fontSize=SIZE - 2, color=INK).encode(text="items:Q")
    return alt.layer(cells, numbers).properties(width=210, height=210, title=title)
