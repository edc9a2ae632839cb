"""A study as a table in Markdown: every point of it, whatever the study varies.

Each accuracy has its interval, items and seeds, the share of answers cut at max_new_tokens (a cut answer
seldom has an answer tag), and the accuracy among the answers that follow the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from othink_mr1.exhibits.captions import caption, spread_line
from othink_mr1.exhibits.frames import by_setting, pooled
from othink_mr1.exhibits.labels import method_label
from othink_mr1.exhibits.paper_numbers import r1v_note
from othink_mr1.exhibits.text import capital, markdown_table, markdown_text

_SHARES = ("r1v", "exact", "format", "r1v, well-formed only", "cut")
HEADS = (
    "method",
    "trained on",
    "tested on",
    "step",
    "seeds",
    "items",
    *_SHARES,
    "paper",
)


def study_table(name: str, frame: pd.DataFrame) -> str:
    """The table of a study's frame. One backbone after the other, in the order of the csv."""
    points = by_setting(pooled(frame))
    several = points.backbone.nunique() > 1
    heads = ["backbone"] * several + list(HEADS)
    rows = [[row["backbone"]] * several + _cells(row) for row in points.to_dict("records")]
    lines = [f"# {name}", "", *markdown_table(heads, rows, right=len(_SHARES) + 1)]
    notes = [
        f"Accuracies in percent. Brackets: 95 % intervals of {spread_line(frame)}.",
        "r1v: the published scorer. exact: by value. Well-formed: answers that follow the format. Cut: "
        "answers that were cut at max_new_tokens.",
        *(f"{capital(line)}." for line in caption(frame, dots=False)),
        *r1v_note(points.tested_on),
        *(note for note in dict.fromkeys(frame.note) if note),
    ]
    return "\n".join([*lines, "", *(f"{note}  " for note in notes)]) + "\n"


def _cells(row: Mapping[Any, Any]) -> list[str]:
    step = "last" if pd.isna(row["step"]) else f"{row['step']:.0f}"
    among = f" of {row['well_formed']}" if row["well_formed"] else ""
    return [
        markdown_text(method_label(row["method"])),
        row["trained_on"] or "–",
        row["tested_on"],
        step if row["steps"] else "–",
        str(row["seeds"]) if row["trained_on"] else "–",
        str(row["items"]),
        *(_share(row, name) for name in ("r1v", "exact", "format")),
        _share(row, "well_formed") + among,
        _share(row, "truncated", "share"),
        "–" if pd.isna(row["paper_accuracy"]) else f"{100 * row['paper_accuracy']:.2f}",
    ]


def _share(row: Mapping[Any, Any], name: str, what: str = "accuracy") -> str:
    value, low, high = (row[f"{name}_{part}"] for part in (what, "low", "high"))
    return "–" if pd.isna(value) else f"{100 * value:.2f} [{100 * low:.1f}–{100 * high:.1f}]"
