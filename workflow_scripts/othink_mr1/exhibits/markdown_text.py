"""Text in Markdown that others wrote: questions, answers, names, licences. It is shown, never obeyed."""

from __future__ import annotations

import re

from othink_mr1.exhibits.text import one_line

LONGEST = 80  # characters of a text in a table
# Marks that Markdown, GitHub's too, or HTML in it, gives a meaning within a line. Colon and point are among
# them only where they could make an address a link: `https://…`, `www.…`.
_MARKS = re.compile(r"[\\`*_\[\]<>#|~$&@]|:(?=\S)|(?<=www)\.", re.IGNORECASE)


def markdown_text(text: str, longest: int = LONGEST) -> str:
    """The text on one line, cut to `longest` characters, the marks of Markdown escaped."""
    return _MARKS.sub(lambda mark: "\\" + mark[0], one_line(text, longest))


def markdown_table(head: list[str], rows: list[list[str]], right: int = 0) -> list[str]:
    """Lines of a table whose cells are Markdown already; the last `right` columns are set to the right."""
    rule = ["---"] * (len(head) - right) + ["---:"] * right
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
