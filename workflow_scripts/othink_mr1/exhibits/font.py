"""The one font of all pictures: its characters, their widths, lines of text in it, and the part for an svg.

No glyph comes from another font, so pictures look the same on every machine. font/make_font.py made it.
"""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path

import vl_convert
from fontTools.subset import Options, Subsetter  # type: ignore[import-untyped]
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

from othink_mr1.exhibits.text import BOX, ELLIPSIS, visible

FAMILY = "Study Sans"
FOLDER = Path(__file__).with_name("font")
FILE = FOLDER / "StudySans.otf"

vl_convert.register_font_directory(str(FOLDER))


def text_width(text: str, size: float) -> float:
    """The width of a line of text, in pixels, without kerning. size: of the font, in pixels."""
    widths = _widths()
    return sum(widths.get(character, widths[BOX]) for character in text) * size


def wrapped(text: str, width: float, size: float) -> list[str]:
    """Lines of at most `width` pixels, broken at spaces, or within a word that is longer than a line."""
    lines = []
    for paragraph in visible(text).split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if text_width(longer, size) <= width:
                line = longer
                continue
            if line:
                lines.append(line)
            *full, line = _broken(word, width, size)
            lines.extend(full)
        lines.append(line)
    return lines


def shortened(lines: list[str], most: int) -> list[str]:
    """At most `most` lines: the middle is replaced by one line "…", as a completion ends in its answer."""
    assert most >= 3, most
    if len(lines) <= most:
        return lines
    head = (most - 1) // 2
    return [*lines[:head], ELLIPSIS, *lines[len(lines) - (most - 1 - head) :]]


def in_font(text: str) -> str:
    """The text with each character that the font lacks, but line ends, as a box (text.BOX)."""
    lacking = set(text) - _widths().keys() - {"\n"}
    return text.translate(dict.fromkeys(map(ord, lacking), BOX)) if lacking else text


def font_face(characters: set[str]) -> str:
    """A style sheet that holds the font with these characters, for a file that has to carry it."""
    font = TTFont(FILE, lazy=True, recalcTimestamp=False)  # the same characters give the same bytes
    options = Options(layout_features=["kern"], hinting=False, notdef_outline=True)
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(sorted(characters)))
    subsetter.subset(font)
    stream = io.BytesIO()
    font.flavor = "woff"
    font.save(stream, reorderTables=False)
    data = base64.b64encode(stream.getvalue()).decode()
    return f'@font-face{{font-family:"{FAMILY}";src:url(data:font/woff;base64,{data})}}'


@cache
def _widths() -> dict[str, float]:
    """Character -> advance width, per pixel of the font's size."""
    font = TTFont(FILE, lazy=True)
    unit, advances = font["head"].unitsPerEm, font["hmtx"]
    return {chr(code): advances[glyph][0] / unit for code, glyph in font.getBestCmap().items()}


def _broken(word: str, width: float, size: float) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width(pieces[-1] + character, size) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces
