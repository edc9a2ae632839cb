"""Antialiased drawing with Pillow: pictures are drawn larger and averaged down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

# Each pixel is the mean of SUPERSAMPLING x SUPERSAMPLING drawn ones.
SUPERSAMPLING = 3

WHITE: Colour = (250, 250, 250)
BLACK: Colour = (25, 25, 28)


def blend(first: Colour, second: Colour, share: float) -> Colour:
    """Mix two colours; `share` of the second, 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def vertical_gradient(side: int, top: Colour, bottom: Colour) -> Image.Image:
    """A square picture that runs from `top` to `bottom`. side: pixels."""
    column = Image.new("RGB", (1, 2))
    column.putpixel((0, 0), top)
    column.putpixel((0, 1), bottom)
    # The box keeps both ends of the bilinear ramp, which Pillow would extend flat by half a pixel each.
    return column.resize((side, side), Image.Resampling.BILINEAR, box=(0, 0.5, 1, 1.5))


@dataclass(frozen=True)
class Pen:
    """Draws one object: coordinates run from -1 to 1 over the object's square, y downwards.

    centre, half: pixels of the supersampled picture; mirrored: the object looks to the left.
    """

    draw: ImageDraw.ImageDraw
    centre: Point
    half: float
    mirrored: bool = False

    def _at(self, point: Point) -> Point:
        x, y = point
        return self.centre[0] + (-x if self.mirrored else x) * self.half, self.centre[1] + y * self.half

    def polygon(self, points: Sequence[Point], fill: Colour, outline: Colour | None = None) -> None:
        self.draw.polygon([self._at(point) for point in points], fill=fill, outline=outline, width=2)

    def box(self, left: float, top: float, right: float, bottom: float, fill: Colour) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], fill)

    def line(self, points: Sequence[Point], fill: Colour, width: float) -> None:
        """width: in the object's own units."""
        pixels = max(1, round(width * self.half))
        self.draw.line([self._at(point) for point in points], fill=fill, width=pixels, joint="curve")

    def ellipse(
        self, x: float, y: float, radius_x: float, radius_y: float, fill: Colour | tuple[int, int, int, int]
    ) -> None:
        centre_x, centre_y = self._at((x, y))
        across, down = radius_x * self.half, radius_y * self.half
        self.draw.ellipse((centre_x - across, centre_y - down, centre_x + across, centre_y + down), fill=fill)

    def ring(self, x: float, y: float, radius: float, colour: Colour, width: float) -> None:
        centre_x, centre_y = self._at((x, y))
        reach = radius * self.half
        self.draw.ellipse(
            (centre_x - reach, centre_y - reach, centre_x + reach, centre_y + reach),
            outline=colour,
            width=max(1, round(width * self.half)),
        )
