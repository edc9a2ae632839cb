"""Geometry: problems as in GeoQA; the givens stand in the text, the relation is in the picture."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial

from othink_mr1.config.sources import RenderedSource
from othink_mr1.data.rendering.estimates import angle_by_eye, work_out
from othink_mr1.data.rendering.figures import describe_placement, draw_figure
from othink_mr1.data.rendering.geometry_kinds import KINDS, Givens, Labels
from othink_mr1.data.rendering.items import Description, RenderedItem, draw_until
from othink_mr1.errors import UserError

# Figures are turned by up to this many degrees, like figures in a school book that are mostly upright.
TURN_LIMIT = 25

SMALLEST_ANGLE, LARGEST_ANGLE = 20, 70
LEGS = ((3, 4), (6, 8), (5, 12), (9, 12), (8, 15), (12, 16), (15, 20), (10, 24), (20, 21))

# Wordings as in GeoQA (its English translation), shared by every kind with the same givens.
QUESTIONS = {
    "angle": (
        "As shown in the figure, ∠{0} = {a}.0°, what is the degree of ∠{1} ?",
        "As shown in the figure, if ∠{0} = {a}.0, then the degree of ∠{1} is ()",
        "As shown in the figure, it is known that ∠{0} = {a}.0, then ∠{1} = ()",
    ),
    "two_angles": (
        "As shown in the figure, ∠{0} = {a}.0°, ∠{1} = {b}.0°, what is the degree of ∠{2} ?",
        "As shown in the figure, if ∠{0} = {a}.0, ∠{1} = {b}.0, then the degree of ∠{2} is ()",
        "As shown in the figure, it is known that ∠{0} = {a}.0, ∠{1} = {b}.0, then ∠{2} = ()",
    ),
    "length": (
        "As shown in the figure, {0} = {a}.0cm, then the length of {1} is ()",
        "As shown in the figure, if {0} = {a}.0cm, what is the length of {1} ?",
    ),
    "two_lengths": ("As shown in the figure, {0} = {a}.0, {1} = {b}.0, then the length of {2} is ()",),
}
ANGLE_LABELS = (("1", "2", "3"), ("2", "1", "3"), ("A", "B", "C"), ("B", "A", "C"), ("M", "N", "P"))
LENGTH_LABELS = (("a", "b", "c"), ("m", "n", "h"))


def render_geometry(source: RenderedSource) -> Iterator[RenderedItem]:
    """Yield `source.items` problems of `source.kinds`, mixed as `shares_of` says, in random order."""
    kinds = list(source.kinds) or list(KINDS)
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise UserError(f"rendered geometry: kind {unknown[0]!r} is unknown; known are {', '.join(KINDS)}")
    lots = random.Random(f"geometry {source.split} {source.seed}")
    order = deal_kinds(kinds, source.items)
    lots.shuffle(order)
    seen: set[str] = set()
    for kind in order:
        problem = draw_until(source.split, partial(describe_problem, lots, kind, source.angle_step), seen)
        givens: Givens = tuple(problem["givens"])
        labels: Labels = tuple(problem["labels"])
        solution = KINDS[kind].solve(givens)
        if solution.gold.endswith("°") and lots.random() < source.estimates:
            degrees = int(solution.gold.removesuffix("°"))
            answer = angle_by_eye(solution.relation, max(givens), degrees)
        else:
            answer = work_out(solution.relation, solution.working, solution.gold)
        values = dict(zip("ab", givens, strict=False))
        question = lots.choice(QUESTIONS[KINDS[kind].form]).format(*labels, **values)
        figure = KINDS[kind].draw(givens, labels, problem["proportion"])
        yield RenderedItem(
            draw_figure(figure, problem, source.image_size), question, answer.answer, answer.reasoning
        )


def deal_kinds(kinds: list[str], items: int) -> list[str]:
    """How many items of each kind: rare kinds their share of all, the others the rest in equal parts."""
    rare = [kind for kind in kinds if KINDS[kind].rare_share is not None]
    common = [kind for kind in kinds if KINDS[kind].rare_share is None]
    dealt: list[str] = []
    if common:
        for kind in rare:
            dealt += [kind] * round((KINDS[kind].rare_share or 0) * items)
    else:
        common = rare
    return dealt + [common[index % len(common)] for index in range(items - len(dealt))]


def describe_problem(lots: random.Random, kind: str, angle_step: int) -> Description:
    """Draw lots for a problem: all that its picture shows, and the givens that its text names."""
    form = KINDS[kind].form
    angles = range(-(-SMALLEST_ANGLE // angle_step) * angle_step, LARGEST_ANGLE + 1, angle_step)
    givens: tuple[int, ...]
    if form == "angle":
        givens = (lots.choice(angles),)
    elif form == "two_angles":
        givens = (lots.choice(angles), lots.choice(angles))
    elif form == "length":
        givens = (2 * lots.randint(2, 20),)
    else:
        givens = lots.choice(LEGS)
    labels = lots.choice(ANGLE_LABELS if "angle" in form else LENGTH_LABELS)
    return {
        "kind": kind,
        "givens": givens,
        "labels": labels,
        "proportion": round(lots.random(), 3),
        **describe_placement(lots, TURN_LIMIT),
    }
