"""Texts of others in csv files: none may be taken for a formula by a spreadsheet."""

from __future__ import annotations

from typing import Any

# The signs that a formula begins with, also as wide as Chinese characters; what may stand before them; and
# the guard itself.
_MARKED = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")


def guarded(value: Any) -> Any:
    """The value for a cell: a text that begins like a formula, or with an apostrophe, gets one before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_MARKED) else value


def unguarded(cell: str) -> str:
    """The text of a cell."""
    return cell.removeprefix("'")
