"""Geometry figures as plain data, and how they are drawn.

Points are complex numbers, y upwards, in units of the figure's own; drawing turns, mirrors and scales the
figure into the picture.
"""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from othink_mr1.data.rendering.canvas import SUPERSAMPLING, Point
from othink_mr1.data.rendering.items import Description

# Areas, circles and marked angles are shaded, as in school books: a vision encoder of two layers learns from
# thin lines alone only slowly which relation a picture shows.
AREA_TINT = (120, 172, 230)
ANGLE_TINT = (240, 140, 60)

# Figures are about two units wide; a label beside one takes about this much.
LABEL_ROOM = 0.3


@dataclass(frozen=True)
class Angle:
    """A labelled angle; outside: the label stands behind the vertex, where inside is no room."""

    vertex: complex
    first: complex
    second: complex
    label: str
    outside: bool = False


@dataclass
class Figure:
    """What a figure shows."""

    segments: list[tuple[complex, complex]] = field(default_factory=list)
    circles: list[tuple[complex, float]] = field(default_factory=list)
    angles: list[Angle] = field(default_factory=list)
    # Corners of the areas that are shaded; circles always are.
    areas: list[tuple[complex, ...]] = field(default_factory=list)
    # (vertex, point on one arm, point on the other)
    right_angles: list[tuple[complex, complex, complex]] = field(default_factory=list)
    # Strokes across a segment: segments with strokes are equally long.
    ticks: list[tuple[complex, complex]] = field(default_factory=list)
    # Arrow heads in the middle of a segment: these segments are parallel.
    arrows: list[tuple[complex, complex]] = field(default_factory=list)
    # A label at a point, moved away from a second point.
    labels: list[tuple[complex, complex, str]] = field(default_factory=list)

    def points(self) -> list[complex]:
        """Points that span the figure, with room for the labels beside it."""
        ends = [end for segment in self.segments for end in segment]
        ends += [point + LABEL_ROOM * _direction(away_from, point) for point, away_from, _ in self.labels]
        for centre, radius in self.circles:
            ends += [centre + radius * cmath.rect(1, math.pi * step / 8) for step in range(16)]
        return ends


def describe_placement(lots: random.Random, turn_limit: int) -> Description:
    """Draw lots for how a figure lies in its picture. turn_limit: degrees to either side."""
    return {
        "turn": lots.randint(-turn_limit, turn_limit),
        "mirrored": lots.random() < 0.5,
        "extent": round(lots.uniform(0.68, 0.84), 3),
        "shift": [round(lots.random(), 3), round(lots.random(), 3)],
        "pen": round(lots.uniform(0.014, 0.02), 4),
        "paper": lots.choice((255, 248, 240)),
        "ink": lots.choice(((20, 20, 20), (20, 20, 90), (60, 30, 20))),
    }


def draw_figure(figure: Figure, placement: Description, image_size: int) -> Image.Image:
    """Draw a figure as an RGB picture of image_size x image_size pixels."""
    side = image_size * SUPERSAMPLING
    paper = (placement["paper"],) * 3
    picture = Image.new("RGB", (side, side), paper)
    _Drawing(ImageDraw.Draw(picture), figure, placement, side, paper).draw_all()
    return picture.reduce(SUPERSAMPLING)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


class _Drawing:
    """One picture in the making; its methods work in pixels of the supersampled picture."""

    def __init__(
        self,
        draw: ImageDraw.ImageDraw,
        figure: Figure,
        placement: Description,
        side: int,
        paper: tuple[int, ...],
    ) -> None:
        self.draw, self.figure, self.side, self.paper = draw, figure, side, paper
        self.ink = tuple(placement["ink"])
        self.width = max(1, round(placement["pen"] * side))
        self.at = _placing(figure.points(), placement, side)

    def draw_all(self) -> None:
        rings = [
            [centre + radius * cmath.rect(1, 2 * math.pi * step / 72) for step in range(73)]
            for centre, radius in self.figure.circles
        ]
        for area in (*self.figure.areas, *rings):
            self._shade([self.at(point) for point in area], AREA_TINT)
        for angle in self.figure.angles:
            self._shade([self.at(angle.vertex), *self._arc(angle)], ANGLE_TINT)
        for start, end in self.figure.segments:
            self._line([self.at(start), self.at(end)])
        for ring in rings:
            self._line([self.at(point) for point in ring])
        for vertex, first, second in self.figure.right_angles:
            self._square(self.at(vertex), self.at(first), self.at(second))
        for start, end in self.figure.ticks:
            self._tick(self.at(start), self.at(end))
        for start, end in self.figure.arrows:
            self._arrow(self.at(start), self.at(end))
        for angle in self.figure.angles:
            self._angle(angle)
        for point, away_from, label in self.figure.labels:
            place = self.at(point)
            self._text(place + 0.075 * self.side * _direction(self.at(away_from), place), label)

    def _line(self, points: list[complex]) -> None:
        self.draw.line([_pair(point) for point in points], fill=self.ink, width=self.width, joint="curve")

    def _shade(self, points: list[complex], tint: tuple[int, ...]) -> None:
        self.draw.polygon([_pair(point) for point in points], fill=tint)

    def _square(self, vertex: complex, first: complex, second: complex) -> None:
        reach = 0.065 * self.side
        one, other = reach * _direction(vertex, first), reach * _direction(vertex, second)
        self._shade([vertex, vertex + one, vertex + one + other, vertex + other], self.ink)
        self._line([vertex + one, vertex + one + other, vertex + other])

    def _tick(self, start: complex, end: complex) -> None:
        stroke = 0.035 * self.side * _direction(start, end) * 1j
        middle = (start + end) / 2
        self._line([middle - stroke, middle + stroke])

    def _arrow(self, start: complex, end: complex) -> None:
        reach = 0.05 * self.side * _direction(start, end)
        tip = start + 0.5 * (end - start) + reach / 2
        self._shade([tip, tip - reach * cmath.rect(1, 0.5), tip - reach * cmath.rect(1, -0.5)], self.ink)

    def _arc(self, angle: Angle) -> list[complex]:
        """The arc's points from one arm to the other, further out where the angle is narrow."""
        vertex, start, sweep, shorter = self._spread(angle)
        radius = min(0.11 * self.side if abs(sweep) > 1 else 0.15 * self.side, 0.5 * shorter)
        return [vertex + cmath.rect(radius, start + sweep * step / 12) for step in range(13)]

    def _spread(self, angle: Angle) -> tuple[complex, float, float, float]:
        """Vertex, direction of the first arm, angle to the second (radians), length of the shorter arm."""
        vertex, first, second = self.at(angle.vertex), self.at(angle.first), self.at(angle.second)
        start = cmath.phase(first - vertex)
        sweep = math.remainder(cmath.phase(second - vertex) - start, 2 * math.pi)
        return vertex, start, sweep, min(abs(first - vertex), abs(second - vertex))

    def _angle(self, angle: Angle) -> None:
        """An arc and its label, so far out that the arms stay legible."""
        vertex, start, sweep, shorter = self._spread(angle)
        arc = self._arc(angle)
        self._line(arc)
        radius = abs(arc[0] - vertex)
        clear = 0.06 * self.side / math.sin(max(abs(sweep) / 2, 0.1))
        distance = min(max(radius + 0.075 * self.side, clear), max(0.75 * shorter, radius + 0.06 * self.side))
        if angle.outside:
            distance = -0.085 * self.side
        self._text(vertex + cmath.rect(1, start + sweep / 2) * distance, angle.label)

    def _text(self, place: complex, label: str) -> None:
        # Keep the whole label inside the picture.
        margin = 0.06 * self.side
        x, y = (min(max(value, margin), self.side - margin) for value in _pair(place))
        self.draw.text(
            (x, y),
            label,
            fill=self.ink,
            font=_font(round(0.11 * self.side)),
            anchor="mm",
            stroke_width=round(0.008 * self.side),
            stroke_fill=self.paper,
        )


def _placing(points: list[complex], placement: Description, side: int) -> Callable[[complex], complex]:
    """How a figure's point becomes a picture's: mirror, turn, scale to the extent, shift within the rest."""
    rotation = cmath.rect(1, math.radians(placement["turn"]))

    def turned(point: complex) -> complex:
        # The picture's y runs downwards.
        return ((-point.conjugate() if placement["mirrored"] else point) * rotation).conjugate()

    spanned = [turned(point) for point in points]
    left, right = min(p.real for p in spanned), max(p.real for p in spanned)
    top, bottom = min(p.imag for p in spanned), max(p.imag for p in spanned)
    scale = placement["extent"] * side / max(right - left, bottom - top)
    margin = 0.06 * side

    def offset(low: float, high: float, share: float) -> float:
        room = side - 2 * margin - (high - low) * scale
        return margin + share * room - low * scale

    shift = complex(offset(left, right, placement["shift"][0]), offset(top, bottom, placement["shift"][1]))
    return lambda point: turned(point) * scale + shift


def _direction(start: complex, end: complex) -> complex:
    return (end - start) / abs(end - start)


def _pair(point: complex) -> Point:
    return point.real, point.imag
