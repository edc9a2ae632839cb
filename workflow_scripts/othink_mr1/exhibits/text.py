"""Untrusted text (questions, completions, names, licences), made safe for pictures and Markdown.

Control characters and direction marks become visible boxes. figure_files.py and the renderer escape text for
svg and html.
"""

from __future__ import annotations

import re
import unicodedata

# Advance widths of Helvetica, which Liberation Sans and Arial share, in thousandths of the font size,
# for the characters from " " to "~".
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278,
    556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
    1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778,
    667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
    333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556,
    556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_OTHER_WIDTH = 620  # Latin letters with accents, Greek, mathematical signs
_WIDE_WIDTH = 1000  # Chinese characters and the like
# Characters that Liberation Sans has, beyond Latin and Greek. One that it lacks (∠, △) makes the renderer
# set the whole line in another font, up to a quarter wider.
_IN_FONT = frozenset("–—‘’“”•…′″←↑→↓−∙√∞∩∫≈≠≤≥□■○●▲▼")
_OTHER_FONT = 1.25
_BOX = "□"
ELLIPSIS = "…"
LONGEST = 80  # characters of a text in a table
# Characters with a meaning within a line of Markdown (also GitHub's) or of HTML in it. A colon or dot has one
# only where it could turn an address into a link: `https://…`, `www.…`.
_MARKS = re.compile(r"[\\`*_\[\]<>#|~$&@]|:(?=\S)|(?<=www)\.", re.IGNORECASE)


def text_width(text: str, size: float) -> float:
    """The approximate width of a line of text, in pixels. size: of the font, in pixels."""
    stretch = 1.0 if all(map(_in_font, text)) else _OTHER_FONT
    return sum(map(_width, text)) * stretch * size / 1000


def visible(text: str) -> str:
    """The text with all unprintable characters but line ends replaced."""
    text = text.replace("\r\n", "\n").replace("\t", " ").replace("\u2028", "\n").replace("\u2029", "\n")
    # Cc, Cf: control and format; Cs: half a surrogate pair, not encodable; Co, Cn: private or unassigned.
    return "".join(
        _BOX if character != "\n" and unicodedata.category(character).startswith("C") else character
        for character in text
    )


def one_line(text: str, longest: int) -> str:
    """visible(text) on one line, cut to `longest` characters; the last one is an ellipsis if it was cut."""
    line = " ".join(visible(text).split())
    return line if len(line) <= longest else line[: longest - 1] + ELLIPSIS


def markdown_text(text: str, longest: int = LONGEST) -> str:
    """The text on one line, cut to `longest` characters, with Markdown's special characters escaped."""
    return _MARKS.sub(lambda mark: "\\" + mark[0], one_line(text, longest))


def markdown_table(head: list[str], rows: list[list[str]], right: int = 0) -> list[str]:
    """Lines of a table whose cells are already Markdown; the last `right` columns are right-aligned."""
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


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


def _broken(word: str, width: float, size: float) -> list[str]:
    pieces = [""]
    for character in word:
        if pieces[-1] and text_width(pieces[-1] + character, size) > width:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _in_font(character: str) -> bool:
    return character < "\u0250" or "\u0370" <= character <= "\u03ff" or character in _IN_FONT


def _width(character: str) -> int:
    if " " <= character <= "~":
        return _WIDTHS[ord(character) - 32]
    return _WIDE_WIDTH if unicodedata.east_asian_width(character) in "WF" else _OTHER_WIDTH
