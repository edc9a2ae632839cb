"""Drawing cases: the item on the left, each method's completion in a box, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from othink_mr1.exhibits.canvas import LINE_HEIGHT, Canvas
from othink_mr1.exhibits.cases import Case, Item, Shown, cases_frame, rule_line
from othink_mr1.exhibits.figure_files import Figure
from othink_mr1.exhibits.font import shortened, text_width, wrapped
from othink_mr1.exhibits.labels import method_label, method_styles
from othink_mr1.exhibits.plans import CasesPlan
from othink_mr1.exhibits.theme import FAINT, INK, QUIET, SIZE

WIDTH = 960
_IMAGE = 220
_LEFT = _IMAGE + 24  # x of the text beside the image
_PAD = 10
_MOST_LINES = 12  # of a completion
_MOST_QUESTION_LINES = 4
_ALSO_IN_TRAINING = {
    "same": "it also stands in the training set",
    "near": "the training set has a picture that looks alike, with the same question",
}
_RIGHT, _WRONG = "#00694E", "#A64B00"


def cases_figure(
    name: str,
    title: str,
    plan: CasesPlan,
    cases: Sequence[Case],
    heading: Callable[[Case], str],
    results: Path,
) -> Figure:
    """The figure of these cases. heading: the text above those of a pair of tasks."""
    canvas, y = Canvas(WIDTH), 0.0
    names = (method_label(plan.proposed), method_label(plan.against))
    caption = [rule_line(plan)]
    for case in cases:
        y = canvas.text(0, y, [heading(case)], size=SIZE + 2)
        if case.outcomes is not None:
            line = case.outcomes.line(*names)
            caption.append(f"{heading(case)}: {line}")
            y = canvas.text(0, y, wrapped(f"{line[0].upper()}{line[1:]}.", WIDTH, SIZE), colour=QUIET)
        if not case.items:
            y = canvas.text(0, y, wrapped(case.missing, WIDTH, SIZE), colour=QUIET)
        for item in case.items:
            where = f"{results}, {case.tested_on} item {item.example.id}"
            canvas.box(0, y + 4, WIDTH, 1, FAINT)
            y = _draw_item(canvas, y + 16, item, where) + 18
        y += 10
    if not cases:
        none = f"no such case: this study has neither {names[0]} nor {names[1]}"
        canvas.text(0, 0, [none], colour=QUIET)
    return Figure(name, title, canvas.chart(), cases_frame(cases), caption)


def _draw_item(canvas: Canvas, y: float, item: Item, where: str) -> float:
    example = item.example
    canvas.image(0, y, _IMAGE, example.image, where)
    width = WIDTH - _LEFT
    question = shortened(wrapped(f"Question: {example.question}", width, SIZE), _MOST_QUESTION_LINES)
    below = canvas.text(_LEFT, y, question)
    where_else = f"; {_ALSO_IN_TRAINING[item.leak]}" if item.leak else ""
    gold = shortened(
        wrapped(f"Gold answer: {example.gold}   (test item {example.id}{where_else})", width, SIZE),
        3,
    )
    below = canvas.text(_LEFT, below + 3, gold, colour=QUIET) + 10
    return max(y + _IMAGE, _draw_completions(canvas, below, item.shown))


def _draw_completions(canvas: Canvas, y: float, shown: Sequence[Shown]) -> float:
    """One box per method, all as high as the tallest. Returns the y below them."""
    gap = 12
    width = (WIDTH - _LEFT - gap * (len(shown) - 1)) / len(shown)
    texts = [shortened(wrapped(one.completion, width - 2 * _PAD - 4, SIZE - 1), _MOST_LINES) for one in shown]
    line = (SIZE - 1) * LINE_HEIGHT
    height = 2 * _PAD + SIZE * LINE_HEIGHT + 6 + max(len(lines) for lines in texts) * line
    styles = method_styles(one.method for one in shown)
    for number, (one, lines) in enumerate(zip(shown, texts, strict=True)):
        x = _LEFT + number * (width + gap)
        canvas.box(x, y, width, height, "#FAFAFA", FAINT)
        canvas.box(x, y, 5, height, styles[one.method].colour)
        canvas.text(x + _PAD + 4, y + _PAD, [styles[one.method].label], colour=INK)
        verdict, colour = ("correct", _RIGHT) if one.correct else ("wrong", _WRONG)
        canvas.text(
            x + width - _PAD - text_width(verdict, SIZE),
            y + _PAD,
            [verdict],
            colour=colour,
        )
        canvas.text(x + _PAD + 4, y + _PAD + SIZE * LINE_HEIGHT + 6, lines, size=SIZE - 1)
    return y + height
