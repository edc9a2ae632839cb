"""Which columns of a table are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from othink_mr1.config.sources import Columns
from othink_mr1.errors import UserError

DEFAULT_REASONING = "thinking"


def wanted_columns(names: Columns, there: Sequence[str], path: Path) -> list[str]:
    """The columns to read: of picture, question, answer, and reasoning if there is one.

    UserError if one is missing. there: the table's columns.
    """
    needed = [names.image, names.question, names.answer, *([names.reasoning] if names.reasoning else [])]
    for name in needed:
        if name not in there:
            raise UserError(
                f"{path}: has no column {name!r}; its columns are {', '.join(there)}; the source's `columns` "
                "say which ones to read (docs/data.md)"
            )
    if names.reasoning is None and DEFAULT_REASONING in there:
        needed.append(DEFAULT_REASONING)
    return list(dict.fromkeys(needed))
