"""A picture of boxes, images and text at pixel positions, as an Altair chart."""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass, field

import altair as alt
import pandas as pd

from othink_mr1.data.images import thumbnail
from othink_mr1.exhibits.figure_files import AnyChart
from othink_mr1.exhibits.theme import INK, SIZE

LINE_HEIGHT = 1.3  # times the font size
_IMAGE_DETAIL = 4  # pixels kept per pixel shown


@dataclass
class Canvas:
    """Collects pieces; x to the right, y downwards, in pixels. `height` grows with the pieces."""

    width: int
    height: float = 0.0
    _boxes: list[dict[str, object]] = field(default_factory=list)
    _images: list[tuple[float, float, int, str]] = field(default_factory=list)
    # size, colour -> texts
    _texts: dict[tuple[int, str], list[dict[str, object]]] = field(default_factory=lambda: defaultdict(list))

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, stroke: str | None = None
    ) -> None:
        self._boxes.append(
            {"x": x, "y": y, "x2": x + width, "y2": y + height, "fill": fill, "stroke": stroke or fill}
        )
        self._reach(y + height)

    def text(self, x: float, y: float, lines: list[str], *, size: int = SIZE, colour: str = INK) -> float:
        """Lines of text, their top left corner at x, y. Returns the y below them."""
        if any(lines):
            self._texts[size, colour].append({"x": x, "y": y, "text": "\n".join(lines)})
        below = y + len(lines) * size * LINE_HEIGHT
        self._reach(below)
        return below

    def image(self, x: float, y: float, side: int, content: bytes, where: str) -> None:
        """An image, fitted into a square. UserError with `where` if it is not an image."""
        small = thumbnail(content, side * _IMAGE_DETAIL, "PNG", where)
        url = f"data:image/png;base64,{base64.b64encode(small).decode()}"
        self._images.append((x, y, side, url))
        self._reach(y + side)

    def chart(self) -> AnyChart:
        """All pieces: boxes below images below text."""
        layers: list[alt.Chart] = []
        if self._boxes:
            boxes = alt.Chart(pd.DataFrame(self._boxes)).mark_rect(cornerRadius=4, strokeWidth=1)
            layers.append(
                boxes.encode(
                    x=self._x("x"),
                    y=self._y("y"),
                    x2="x2:Q",
                    y2="y2:Q",
                    fill=alt.Fill("fill:N", scale=None),
                    stroke=alt.Stroke("stroke:N", scale=None),
                )
            )
        for x, y, side, url in self._images:
            image = alt.Chart(pd.DataFrame([{"x": x, "y": y, "url": url}]))
            image = image.mark_image(width=side, height=side, align="left", baseline="top")
            layers.append(image.encode(x=self._x("x"), y=self._y("y"), url="url:N"))
        for (size, colour), texts in self._texts.items():
            text = alt.Chart(pd.DataFrame(texts)).mark_text(
                align="left",
                baseline="top",
                lineBreak="\n",
                fontSize=size,
                lineHeight=size * LINE_HEIGHT,
                color=colour,
                limit=0,
            )
            layers.append(text.encode(x=self._x("x"), y=self._y("y"), text="text:N"))
        return alt.layer(*layers).properties(width=self.width, height=self.height)

    def _reach(self, y: float) -> None:
        self.height = max(self.height, y)

    def _x(self, name: str) -> alt.X:
        return alt.X(f"{name}:Q", scale=alt.Scale(domain=[0, self.width], nice=False), axis=None)

    def _y(self, name: str) -> alt.Y:
        return alt.Y(f"{name}:Q", scale=alt.Scale(domain=[self.height, 0], nice=False, zero=False), axis=None)
