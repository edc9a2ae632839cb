"""Figure 2: an example of each task's test set.

The rule: sort the items by the first number of their gold answer, equal ones in the order of the set, and
show the middle one.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from othink_mr1.data.examples import Example, read_examples
from othink_mr1.errors import UserError
from othink_mr1.exhibits.canvas import Canvas
from othink_mr1.exhibits.figure_files import Figure, FigureInputs
from othink_mr1.exhibits.font import shortened, wrapped
from othink_mr1.exhibits.labels import task_label, task_letters
from othink_mr1.exhibits.plans import ExamplesPlan
from othink_mr1.exhibits.text import visible
from othink_mr1.exhibits.theme import FAINT, QUIET, SIZE

_TITLE = "Examples of the tasks"
_RULE = (
    "rule: the test item whose gold answer is the median, by its first number; the first in the set's order"
)
_CARD, _GAP, _IMAGE, _PAD = 440, 24, 200, 14
_COLUMNS = 2  # of cards
_MOST_LINES = 8
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_KINDS = {"counting": "multimodal content understanding", "geometry": "multimodal reasoning"}


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from the test sets of the plan."""
    plan = inputs.read_plan(ExamplesPlan)
    examples = {task: median_example(inputs.results / entry.examples) for task, entry in plan.tasks.items()}
    columns = min(_COLUMNS, len(examples))
    canvas = Canvas(_CARD * columns + _GAP * (columns - 1))
    y = 0.0
    for number, (task, example) in enumerate(examples.items()):
        if number and number % columns == 0:
            y = canvas.height + _GAP
        _draw_card(canvas, number % columns * (_CARD + _GAP), y, task, example, inputs.results)
    rows = [
        {
            "task": task,
            "id": example.id,
            "question": visible(example.question),
            "gold": visible(example.gold),
        }
        for task, example in examples.items()
    ]
    return Figure("Figure 2", _TITLE, canvas.chart(), pd.DataFrame(rows), [_RULE])


def median_example(path: Path) -> Example:
    """The item that the rule picks. UserError if the set is empty."""
    order = sorted((_gold_number(example.gold), place) for place, example in enumerate(read_examples(path)))
    if not order:
        raise UserError(f"{path}: has no examples; prepare the set again")
    _, chosen = order[(len(order) - 1) // 2]
    return next(example for place, example in enumerate(read_examples(path)) if place == chosen)


def _gold_number(gold: str) -> float:
    found = _NUMBER.search(gold)
    return float(found.group()) if found else float("inf")  # without a number: last


def _draw_card(canvas: Canvas, x: float, y: float, task: str, example: Example, where: Path) -> None:
    title = f"{task_label(task).capitalize()} ({task_letters(task)})" if task_letters(task) != task else task
    y = canvas.text(x, y, [title], size=SIZE + 2)
    y = canvas.text(x, y, [_KINDS.get(task, "")], colour=QUIET) + 8
    height = _IMAGE + 2 * _PAD
    canvas.box(x, y, _CARD, height, "#FAFAFA", FAINT)
    canvas.image(x + _PAD, y + _PAD, _IMAGE, example.image, f"{where}, {task} item {example.id}")
    left, width = x + _IMAGE + 2 * _PAD + 4, _CARD - _IMAGE - 3 * _PAD - 4
    below = canvas.text(left, y + _PAD, ["Question"], size=SIZE - 1, colour=QUIET)
    below = canvas.text(left, below, shortened(wrapped(example.question, width, SIZE), _MOST_LINES)) + 8
    below = canvas.text(left, below, ["Gold answer"], size=SIZE - 1, colour=QUIET)
    canvas.text(left, below, shortened(wrapped(example.gold, width, SIZE), 3))
