"""Drawing cases: the item on the left, each method's completion in a box, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from othink_mr1.exhibits.canvas import LINE_HEIGHT, Canvas
from othink_mr1.exhibits.cases import Case, Shown, cases_frame, subtitle
from othink_mr1.exhibits.figure_files import AnyChart, Figure
from othink_mr1.exhibits.marks import titled
from othink_mr1.exhibits.text import shortened, text_width, wrapped
from othink_mr1.exhibits.theme import FAINT, INK, QUIET, SIZE, method_styles

WIDTH = 960
_IMAGE = 150
_LEFT = _IMAGE + 24  # x of the text beside the image
_PAD = 10
_MOST_LINES = 12  # of a completion
_MOST_QUESTION_LINES = 4
_BOLD = 1.06  # how much wider bold letters are
_ALSO_IN_TRAINING = {
    "same": "it also stands in the training set",
    "near": "the training set has a picture that looks alike, with the same question",
}
_RIGHT, _WRONG = "#00694E", "#A64B00"


def draw_cases(cases: Sequence[Case], heading: Callable[[Case], str], where: Path) -> AnyChart:
    """All cases below each other. where: the results root, for messages."""
    canvas = Canvas(WIDTH)
    y = 0.0
    for case in cases:
        y = _draw_case(canvas, y, case, heading(case), where) + 26
    if not cases:
        canvas.text(0, 0, ["no such case: this study has neither GRPO-D nor SFT"], colour=QUIET)
    return canvas.chart()


def cases_figure(title: str, cases: Sequence[Case], heading: Callable[[Case], str], results: Path) -> Figure:
    """The figure of these cases. heading: the text above a case."""
    frame = cases_frame(cases)
    chart = draw_cases(cases, heading, results)
    return Figure(chart.properties(title=titled(title, subtitle(frame), WIDTH)), frame)


def _draw_case(canvas: Canvas, y: float, case: Case, heading: str, where: Path) -> float:
    y = canvas.text(0, y, [heading], size=SIZE + 1, bold=True) + 4
    canvas.box(0, y, WIDTH, 1, FAINT)
    y += 12
    if case.example is None:
        return canvas.text(0, y, wrapped(case.missing, WIDTH, SIZE), colour=QUIET)
    canvas.image(0, y, _IMAGE, case.example.image, f"{where}, {case.tested_on} item {case.example.id}")
    width = WIDTH - _LEFT
    question = shortened(wrapped(f"Question: {case.example.question}", width, SIZE), _MOST_QUESTION_LINES)
    below = canvas.text(_LEFT, y, question)
    where_else = f"; {_ALSO_IN_TRAINING[case.leak]}" if case.leak else ""
    gold = shortened(
        wrapped(f"Gold answer: {case.example.gold}   (test item {case.example.id}{where_else})", width, SIZE),
        3,
    )
    below = canvas.text(_LEFT, below + 3, gold, colour=QUIET) + 10
    return max(y + _IMAGE, _draw_completions(canvas, below, case.shown))


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
        canvas.text(x + _PAD + 4, y + _PAD, [styles[one.method].label], bold=True, colour=INK)
        verdict, colour = ("correct", _RIGHT) if one.correct else ("wrong", _WRONG)
        canvas.text(
            x + width - _PAD - text_width(verdict, SIZE) * _BOLD,
            y + _PAD,
            [verdict],
            colour=colour,
            bold=True,
        )
        canvas.text(x + _PAD + 4, y + _PAD + SIZE * LINE_HEIGHT + 6, lines, size=SIZE - 1)
    return y + height
