"""The table of geometry kinds: what the picture of each shows and how the gold follows from the givens.

As in GeoQA the givens stand in the text and the picture decides which relation holds: all kinds with the
same givens (`form`) share their question texts, so the text alone does not tell the kind.
To add a kind, write the function that makes its Figure and one entry of KINDS.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from othink_mr1.data.rendering.figures import Angle, Figure

# Given values in the order of the text: degrees or lengths.
Givens = tuple[int, ...]
# The labels as drawn: the given ones first, then the asked one.
Labels = tuple[str, ...]


@dataclass(frozen=True)
class Solution:
    """gold: the answer; relation: what the picture shows; working: how the gold follows from the givens."""

    gold: str
    relation: str
    working: str


@dataclass(frozen=True)
class Kind:
    """One relation. form: which givens and question texts it shares.

    draw: the figure to scale, from the givens, the labels and a lot in [0, 1) for its free proportion.
    rare_share: part of all items, for kinds that stay rare; None: an equal part of the rest.
    """

    form: str
    draw: Callable[[Givens, Labels, float], Figure]
    solve: Callable[[Givens], Solution]
    rare_share: float | None = None


def _ray(degrees: float, length: float = 1.0) -> complex:
    return cmath.rect(length, math.radians(degrees))


def _straight_line(givens: Givens, labels: Labels, lot: float) -> Figure:
    (a,) = givens
    left, right, up = complex(-1.3 + 0.5 * lot), complex(0.8 + 0.5 * lot), _ray(a, 1.15)
    return Figure(
        segments=[(left, right), (0j, up)],
        angles=[Angle(0j, right, up, labels[0]), Angle(0j, up, left, labels[1])],
    )


def _right_angle(givens: Givens, labels: Labels, lot: float) -> Figure:
    (a,) = givens
    across, up, between = complex(1), complex(0, 1), _ray(a, 0.95 + 0.25 * lot)
    return Figure(
        segments=[(0j, across), (0j, up), (0j, between)],
        right_angles=[(0j, across, up)],
        angles=[Angle(0j, across, between, labels[0]), Angle(0j, between, up, labels[1])],
    )


def _inscribed_angle(givens: Givens, labels: Labels, lot: float) -> Figure:
    (a,) = givens
    left, right, top = _ray(-90 - a), _ray(-90 + a), _ray(90 + 40 * (lot - 0.5))
    return Figure(
        segments=[(top, left), (top, right), (0j, left), (0j, right)],
        circles=[(0j, 1.0)],
        angles=[Angle(top, left, right, labels[0]), Angle(0j, left, right, labels[1])],
    )


def _isosceles_triangle(givens: Givens, labels: Labels, lot: float) -> Figure:
    (a,) = givens
    left, right, apex = complex(-1), complex(1), complex(0, math.tan(math.radians(a)))
    return Figure(
        areas=[(left, right, apex)],
        segments=[(left, right), (right, apex), (apex, left)],
        ticks=[(left, apex), (right, apex)],
        angles=[Angle(left, right, apex, labels[0]), Angle(apex, left, right, labels[1], outside=a < 40)],
    )


def _vertical_angles(givens: Givens, labels: Labels, lot: float) -> Figure:
    (a,) = givens
    one, other = _ray(-a / 2), _ray(a / 2, 0.8 + 0.4 * lot)
    return Figure(
        segments=[(-one, one), (-other, other)],
        angles=[Angle(0j, one, other, labels[0]), Angle(0j, -one, -other, labels[1])],
    )


def _parallel_lines(givens: Givens, labels: Labels, lot: float) -> Figure:
    """The two angles outside the parallel lines, on the same side of the line across."""
    (a,) = givens
    lower, upper, half = 0j, _ray(a, 1.0), 1.0 + 0.3 * lot
    below, above = _ray(a, -1.0), _ray(a, 1.8)
    return Figure(
        segments=[(-half, half), (upper - half, upper + half), (below, above)],
        arrows=[(lower, lower + half), (upper, upper + half)],
        angles=[Angle(lower, -half, below, labels[0]), Angle(upper, upper - half, above, labels[1])],
    )


def _triangle_corners(a: int, b: int) -> tuple[complex, complex, complex]:
    """Corners of the triangle with base 1 and base angles a (left) and b (right), in degrees."""
    third = math.sin(math.radians(a + b))
    apex = _ray(a, math.sin(math.radians(b)) / third)
    return 0j, complex(1), apex


def _triangle(givens: Givens, labels: Labels, lot: float) -> Figure:
    left, right, apex = _triangle_corners(*givens)
    return Figure(
        areas=[(left, right, apex)],
        segments=[(left, right), (right, apex), (apex, left)],
        angles=[
            Angle(left, right, apex, labels[0]),
            Angle(right, apex, left, labels[1]),
            Angle(apex, left, right, labels[2], outside=sum(givens) < 80),
        ],
    )


def _exterior_angle(givens: Givens, labels: Labels, lot: float) -> Figure:
    a, b = givens
    left, right, apex = _triangle_corners(a, 180 - a - b)
    beyond = right + 0.5 + 0.3 * lot
    return Figure(
        segments=[(left, beyond), (right, apex), (apex, left)],
        angles=[
            Angle(left, right, apex, labels[0]),
            Angle(apex, left, right, labels[1]),
            Angle(right, beyond, apex, labels[2]),
        ],
    )


def _midline(givens: Givens, labels: Labels, lot: float) -> Figure:
    left, right, apex = complex(-1), complex(1), complex(lot - 0.5, 1.5)
    one, other = (left + apex) / 2, (right + apex) / 2
    return Figure(
        areas=[(left, right, apex)],
        segments=[(left, right), (right, apex), (apex, left), (one, other)],
        ticks=[(left, one), (one, apex)],
        labels=[(0j, apex, labels[0]), ((one + other) / 2, apex, labels[1])],
    )


def _equilateral_height(givens: Givens, labels: Labels, lot: float) -> Figure:
    left, right, apex = complex(-1), complex(1), complex(0, math.sqrt(3))
    return Figure(
        areas=[(left, right, apex)],
        segments=[(left, right), (right, apex), (apex, left), (apex, 0j)],
        ticks=[(left, apex), (right, apex), (left, 0j), (0j, right)],
        right_angles=[(0j, right, apex)],
        labels=[((left + apex) / 2, right, labels[0]), (complex(0, 0.7), left, labels[1])],
    )


def _semicircle_arc(givens: Givens, labels: Labels, lot: float) -> Figure:
    arc = [_ray(180 * step / 24) for step in range(25)]
    return Figure(
        segments=[(complex(-1), complex(1)), *pairwise(arc)],
        labels=[(0j, 1j, labels[0]), (1j, 0j, labels[1])],
    )


def _altitude(givens: Givens, labels: Labels, lot: float) -> Figure:
    across, up = givens
    longest = math.hypot(across, up) / 2
    corner, right, top = 0j, complex(across / longest), complex(0, up / longest)
    foot = right * (up * up) / (across**2 + up**2) + top * (across**2) / (across**2 + up**2)
    return Figure(
        areas=[(corner, right, top)],
        segments=[(corner, right), (right, top), (top, corner), (corner, foot)],
        right_angles=[(corner, right, top), (foot, corner, right)],
        labels=[(right / 2, foot, labels[0]), (top / 2, foot, labels[1]), (foot * 0.6, right / 2, labels[2])],
    )


def _half(value: int) -> str:
    return str(value // 2) if value % 2 == 0 else f"{value / 2:.1f}"


def _solve_altitude(givens: Givens) -> Solution:
    a, b = givens
    hypotenuse = math.isqrt(a * a + b * b)
    height = Fraction(a * b, hypotenuse)
    gold = str(height) if height.denominator == 1 else rf"\frac{{{height.numerator}}}{{{height.denominator}}}"
    return Solution(gold, "an altitude", f"{a}×{b}÷{hypotenuse}={gold}")


# Workings have no spaces within a formula: each would be a token of its own beside the digits.
def _degrees(value: int, relation: str, formula: str) -> Solution:
    return Solution(f"{value}°", relation, f"{formula}={value}")


KINDS: dict[str, Kind] = {
    "straight_line": Kind(
        "angle", _straight_line, lambda g: _degrees(180 - g[0], "a straight line", f"180-{g[0]}")
    ),
    "right_angle": Kind("angle", _right_angle, lambda g: _degrees(90 - g[0], "a right angle", f"90-{g[0]}")),
    "inscribed_angle": Kind("angle", _inscribed_angle, lambda g: _degrees(2 * g[0], "a circle", f"2×{g[0]}")),
    "isosceles_triangle": Kind(
        "angle",
        _isosceles_triangle,
        lambda g: _degrees(180 - 2 * g[0], "an isosceles triangle", f"180-2×{g[0]}=180-{2 * g[0]}"),
    ),
    "vertical_angles": Kind(
        "angle", _vertical_angles, lambda g: Solution(f"{g[0]}°", "vertical angles", f"equal to {g[0]}")
    ),
    "parallel_lines": Kind(
        "angle", _parallel_lines, lambda g: _degrees(180 - g[0], "parallel lines", f"180-{g[0]}")
    ),
    "triangle": Kind(
        "two_angles",
        _triangle,
        lambda g: _degrees(
            180 - g[0] - g[1], "a triangle", f"{g[0]}+{g[1]}={g[0] + g[1]}, 180-{g[0] + g[1]}"
        ),
    ),
    "exterior_angle": Kind(
        "two_angles", _exterior_angle, lambda g: _degrees(g[0] + g[1], "an exterior angle", f"{g[0]}+{g[1]}")
    ),
    "midline": Kind(
        "length",
        _midline,
        lambda g: Solution(f"{_half(g[0])}cm", "a midline", f"{g[0]}÷2={_half(g[0])}"),
        0.03,
    ),
    "equilateral_height": Kind(
        "length",
        _equilateral_height,
        lambda g: Solution(
            f"{_half(g[0])}√{{3}}", "an equilateral triangle", f"{g[0]}÷2={_half(g[0])}, times √{{3}}"
        ),
        0.02,
    ),
    "semicircle_arc": Kind(
        "length",
        _semicircle_arc,
        lambda g: Solution(f"{_half(g[0])}π", "a semicircle", f"{g[0]}÷2={_half(g[0])}, times π"),
        0.02,
    ),
    "altitude": Kind("two_lengths", _altitude, _solve_altitude, 0.02),
}
