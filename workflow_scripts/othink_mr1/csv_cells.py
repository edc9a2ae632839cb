"""Untrusted texts in csv files: a spreadsheet must not interpret them as formulas."""

from __future__ import annotations

from typing import Any

# The signs that a formula begins with, also in full width; white space that may precede them; and the guard
# itself.
_MARKED = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")


def guarded(value: Any) -> Any:
    """The value for a cell: an apostrophe is put before a text that begins like a formula or with one."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_MARKED) else value


def unguarded(cell: str) -> str:
    """The text of a cell, without the guard."""
    return cell.removeprefix("'")
