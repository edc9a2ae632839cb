"""Untrusted text (questions, completions, names, licences), made safe for pictures, Markdown and LaTeX.

Control characters and direction marks become visible boxes. The renderer escapes text for svg.
"""

from __future__ import annotations

import re
import unicodedata

BOX, ELLIPSIS = "□", "…"
LONGEST = 80  # characters of a text in a table
# Characters with a meaning within a line of Markdown (also GitHub's) or of HTML in it. A colon or dot has one
# only where it could turn an address into a link: `https://…`, `www.…`.
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
        **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"},
        **{"α": r"$\alpha$", "β": r"$\beta$", "π": r"$\pi$", "√": r"$\surd$", "∠": r"$\angle$"},
        **{"→": r"$\rightarrow$", "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≤": r"$\leq$"},
        **{"≥": r"$\geq$", "°": r"$^\circ$", "○": r"$\circ$", "…": r"\ldots{}", "–": "--", "—": "---"},
        **{"‘": "`", "’": "'", "“": "``", "”": "''", "·": r"$\cdot$"},
    }
)
_MARKS = re.compile(r"[\\`*_\[\]<>#|~$&@]|:(?=\S)|(?<=www)\.", re.IGNORECASE)


def visible(text: str) -> str:
    """The text with all unprintable characters but line ends replaced."""
    text = text.replace("\r\n", "\n").replace("\t", " ").replace("\u2028", "\n").replace("\u2029", "\n")
    # Cc, Cf: control and format; Cs: half a surrogate pair, not encodable; Co, Cn: private or unassigned.
    return "".join(
        BOX if character != "\n" and unicodedata.category(character).startswith("C") else character
        for character in text
    )


def one_line(text: str, longest: int) -> str:
    """visible(text) on one line, cut to `longest` characters; the last one is an ellipsis if it was cut."""
    line = " ".join(visible(text).split())
    return line if len(line) <= longest else line[: longest - 1] + ELLIPSIS


def capital(sentence: str) -> str:
    """The sentence with a capital; one that begins with a sign, such as β, stays as it is."""
    return sentence[:1].upper() + sentence[1:] if sentence[:1].isascii() else sentence


def markdown_text(text: str, longest: int = LONGEST) -> str:
    """The text on one line, cut to `longest` characters, with Markdown's special characters escaped."""
    return _MARKS.sub(lambda mark: "\\" + mark[0], one_line(text, longest))


def latex_text(text: str) -> str:
    """The text with LaTeX's special characters escaped; a character its fonts lack is a question mark."""
    return "".join(
        known if (known := one.translate(_LATEX)) != one or "\n" <= one <= "ÿ" else "?"
        for one in visible(text)
    )


def markdown_table(head: list[str], rows: list[list[str]], right: int = 0) -> list[str]:
    """Lines of a table whose cells are already Markdown; the last `right` columns are right-aligned."""
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
