"""The objects of the counting scenes, each a function that draws one with a Pen in a given colour.

Three families: CLEVR's solids, vehicles as in SuperCLEVR, and everyday things that only the small
backbone's own pretraining source shows beside the other two.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from othink_mr1.data.rendering.canvas import BLACK, WHITE, Colour, Pen, blend

Shape = Callable[[Pen, Colour], None]

GLASS: Colour = (205, 228, 240)
TYRE: Colour = (38, 38, 42)


def _shadow(pen: Pen, reach: float = 0.95) -> None:
    pen.ellipse(0.06, 0.8, reach, 0.2, (0, 0, 0, 60))


def sphere(pen: Pen, colour: Colour) -> None:
    _shadow(pen, 0.8)
    dark = blend(colour, BLACK, 0.45)
    for step in range(8):
        share = step / 7
        radius = 0.88 * (1 - 0.8 * share)
        pen.ellipse(
            -0.3 * share, -0.32 * share, radius, radius, blend(dark, blend(colour, WHITE, 0.3), share)
        )
    pen.ellipse(-0.32, -0.36, 0.13, 0.11, blend(colour, WHITE, 0.8))


def cube(pen: Pen, colour: Colour) -> None:
    _shadow(pen)
    pen.polygon([(-0.8, -0.42), (0.06, -0.86), (0.84, -0.5), (-0.02, -0.02)], blend(colour, WHITE, 0.3))
    pen.polygon([(-0.8, -0.42), (-0.02, -0.02), (-0.02, 0.9), (-0.8, 0.44)], colour)
    pen.polygon([(-0.02, -0.02), (0.84, -0.5), (0.84, 0.38), (-0.02, 0.9)], blend(colour, BLACK, 0.4))


def cylinder(pen: Pen, colour: Colour) -> None:
    _shadow(pen, 0.85)
    dark = blend(colour, BLACK, 0.45)
    pen.ellipse(0, 0.6, 0.72, 0.27, blend(dark, colour, 0.5))
    strips = 8
    for strip in range(strips):
        left = -0.72 + 1.44 * strip / strips
        light = math.sin(math.pi * (strip + 1.2) / (strips + 2.5)) ** 2
        pen.box(left, -0.58, left + 1.44 / strips, 0.62, blend(dark, colour, light))
    pen.ellipse(0, -0.58, 0.72, 0.27, blend(colour, WHITE, 0.35))


def _wheel(pen: Pen, x: float, y: float, radius: float) -> None:
    pen.ellipse(x, y, radius, radius, TYRE)
    pen.ellipse(x, y, radius * 0.45, radius * 0.45, (190, 190, 195))


def car(pen: Pen, colour: Colour) -> None:
    roof = [(-0.6, -0.02), (-0.36, -0.5), (0.3, -0.5), (0.62, -0.02)]
    pen.polygon(roof, colour)
    pen.polygon([(-0.46, -0.04), (-0.28, -0.4), (-0.02, -0.4), (-0.02, -0.04)], GLASS)
    pen.polygon([(0.06, -0.04), (0.06, -0.4), (0.25, -0.4), (0.46, -0.04)], GLASS)
    pen.polygon(
        [(-0.95, 0.05), (-0.86, -0.04), (0.84, -0.04), (0.96, 0.12), (0.96, 0.38), (-0.95, 0.38)], colour
    )
    pen.box(-0.95, 0.28, 0.96, 0.38, blend(colour, BLACK, 0.35))
    pen.ellipse(0.88, 0.14, 0.08, 0.07, (255, 240, 150))
    _wheel(pen, -0.5, 0.38, 0.24)
    _wheel(pen, 0.54, 0.38, 0.24)


def bus(pen: Pen, colour: Colour) -> None:
    pen.box(-0.95, -0.62, 0.95, 0.5, colour)
    pen.box(-0.95, -0.62, 0.95, -0.52, blend(colour, WHITE, 0.5))
    pen.box(-0.95, 0.34, 0.95, 0.5, blend(colour, BLACK, 0.4))
    for window in range(4):
        left = -0.84 + 0.4 * window
        pen.box(left, -0.42, left + 0.3, 0.0, GLASS)
    pen.box(0.76, -0.42, 0.92, 0.3, GLASS)
    _wheel(pen, -0.52, 0.52, 0.22)
    _wheel(pen, 0.5, 0.52, 0.22)


def motorbike(pen: Pen, colour: Colour) -> None:
    pen.line([(0.58, 0.34), (0.3, -0.42), (0.12, -0.5)], (90, 90, 95), 0.13)
    pen.polygon(
        [(-0.72, -0.12), (-0.2, -0.16), (0.34, -0.34), (0.44, 0.0), (0.12, 0.36), (-0.34, 0.34)], colour
    )
    pen.polygon([(-0.85, -0.3), (-0.2, -0.22), (-0.16, -0.06), (-0.7, -0.08)], BLACK)
    pen.line([(-0.6, 0.36), (0.1, 0.36)], (150, 150, 155), 0.14)
    pen.ellipse(0.42, -0.26, 0.11, 0.11, (255, 240, 150))
    _wheel(pen, -0.58, 0.4, 0.34)
    _wheel(pen, 0.6, 0.4, 0.34)


def bicycle(pen: Pen, colour: Colour) -> None:
    for x in (-0.55, 0.55):
        pen.ring(x, 0.34, 0.4, TYRE, 0.13)
    frame = [(-0.55, 0.34), (-0.2, -0.2), (0.34, -0.2), (0.02, 0.36), (-0.55, 0.34)]
    pen.line(frame, colour, 0.16)
    pen.line([(0.02, 0.36), (-0.27, -0.42)], colour, 0.16)
    pen.line([(0.55, 0.34), (0.3, -0.46), (0.5, -0.56)], colour, 0.16)
    pen.line([(-0.45, -0.44), (-0.1, -0.44)], BLACK, 0.18)


def aeroplane(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-0.95, -0.55), (-0.7, -0.55), (-0.4, 0.0), (-0.8, 0.02)], blend(colour, BLACK, 0.3))
    pen.polygon([(-0.05, -0.1), (-0.4, -0.6), (-0.2, -0.6), (0.32, -0.1)], blend(colour, BLACK, 0.45))
    pen.ellipse(0.05, 0.02, 0.9, 0.24, colour)
    for window in range(5):
        pen.ellipse(-0.3 + 0.19 * window, -0.06, 0.055, 0.06, GLASS)
    pen.polygon([(0.62, -0.15), (0.84, -0.08), (0.8, 0.0), (0.62, -0.02)], GLASS)
    pen.polygon([(-0.05, 0.08), (0.36, 0.08), (-0.2, 0.7), (-0.45, 0.7)], blend(colour, BLACK, 0.3))


def lorry(pen: Pen, colour: Colour) -> None:
    pen.box(-0.95, -0.6, 0.3, 0.4, blend(colour, WHITE, 0.25))
    pen.box(-0.95, 0.28, 0.3, 0.4, blend(colour, BLACK, 0.4))
    pen.polygon([(0.36, 0.4), (0.36, -0.32), (0.7, -0.32), (0.95, 0.04), (0.95, 0.4)], colour)
    pen.polygon([(0.48, 0.02), (0.48, -0.22), (0.66, -0.22), (0.82, 0.02)], GLASS)
    for x in (-0.62, -0.1, 0.64):
        _wheel(pen, x, 0.46, 0.22)


def star(pen: Pen, colour: Colour) -> None:
    points = []
    for corner in range(10):
        radius = 0.92 if corner % 2 == 0 else 0.4
        turn = math.pi * corner / 5
        points.append((radius * math.sin(turn), -radius * math.cos(turn)))
    pen.polygon(points, colour, blend(colour, BLACK, 0.5))


def house(pen: Pen, colour: Colour) -> None:
    pen.box(-0.65, -0.1, 0.65, 0.85, blend(colour, WHITE, 0.45))
    pen.polygon([(-0.9, -0.05), (0, -0.9), (0.9, -0.05)], colour)
    pen.box(-0.15, 0.3, 0.2, 0.85, blend(colour, BLACK, 0.5))
    pen.box(0.32, 0.1, 0.54, 0.36, GLASS)


def tree(pen: Pen, colour: Colour) -> None:
    pen.box(-0.15, 0.2, 0.15, 0.92, (110, 75, 45))
    for x, y, radius in ((-0.35, 0.05, 0.42), (0.35, 0.05, 0.42), (0, -0.4, 0.48)):
        pen.ellipse(x, y, radius, radius, colour)


def cup(pen: Pen, colour: Colour) -> None:
    pen.ring(0.6, 0.1, 0.32, blend(colour, BLACK, 0.25), 0.14)
    pen.polygon([(-0.75, -0.5), (0.55, -0.5), (0.42, 0.75), (-0.62, 0.75)], colour)
    pen.ellipse(-0.1, -0.5, 0.65, 0.2, blend(colour, BLACK, 0.4))


def fish(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-0.95, -0.45), (-0.4, 0.0), (-0.95, 0.45)], blend(colour, BLACK, 0.3))
    pen.ellipse(0.15, 0, 0.75, 0.45, colour)
    pen.ellipse(0.58, -0.1, 0.1, 0.1, WHITE)
    pen.ellipse(0.6, -0.1, 0.05, 0.05, BLACK)


def mushroom(pen: Pen, colour: Colour) -> None:
    pen.polygon([(-0.22, 0), (0.22, 0), (0.3, 0.85), (-0.3, 0.85)], (238, 228, 205))
    pen.polygon(
        [(-0.85, 0.1)]
        + [(-0.85 * math.cos(t * math.pi / 8), 0.1 - 0.9 * math.sin(t * math.pi / 8)) for t in range(9)],
        colour,
    )
    for x, y in ((-0.4, -0.25), (0.1, -0.5), (0.42, -0.15)):
        pen.ellipse(x, y, 0.13, 0.12, WHITE)


def _by_name(*shapes: Shape) -> dict[str, Shape]:
    return {shape.__name__: shape for shape in shapes}


SOLIDS = _by_name(sphere, cube, cylinder)
VEHICLES = _by_name(car, bus, motorbike, bicycle, aeroplane, lorry)
THINGS = _by_name(star, house, tree, cup, fish, mushroom)
SHAPES = SOLIDS | VEHICLES | THINGS
