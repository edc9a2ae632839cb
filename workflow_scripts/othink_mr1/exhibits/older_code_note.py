"""The line in which tables and figures say what of them was made by older code than there is now."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from othink_mr1.exhibits.theme import method_label
from othink_mr1.study.code_of_stages import UNKNOWN

_NAMED = 3  # modules that are named; the csv has all


def older_code_note(points: pd.DataFrame) -> list[str]:
    """One line for each set of modules, none if all is of the code that is there.

    points: one row for each result, with columns method and older_code.
    """
    older = points[points.older_code != ""]
    lines = []
    for modules, rows in older.groupby("older_code", sort=False):
        methods = [
            _counted(str(method), len(found), int((points.method == method).sum()))
            for method, found in rows.groupby("method", sort=False)
        ]
        lines.append(f"made by {made_by(str(modules))}: {', '.join(methods)}")
    return lines


def made_by(older_code: str) -> str:
    """Words for a column older_code, which names modules separated by spaces."""
    modules = older_code.split()
    if modules == [UNKNOWN]:
        return "code that is not recorded"
    more = f" and {len(modules) - _NAMED} more" if len(modules) > _NAMED else ""
    return f"older code ({'module' if len(modules) == 1 else 'modules'} {', '.join(modules[:_NAMED])}{more})"


def all_modules(columns: Iterable[str]) -> str:
    """What several results' older_code amounts to."""
    return " ".join(sorted({module for older_code in columns for module in older_code.split()}))


def _counted(method: str, older: int, all_of_it: int) -> str:
    return method_label(method) if older == all_of_it else f"{method_label(method)} ({older} of {all_of_it})"
