"""The report of the rows of a raw set that give no example: each with its reason, and the counts."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from othink_mr1.artefacts.atomic_files import written_aside

UNUSABLE_FILE = "unusable_rows.csv"
COLUMNS = ("row", "where", "reason")


class UnusableRows:
    """Counts unusable rows by reason and lists them in a csv file.

    row: the row's number in the raw set, from 0, which would have been its example's id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self.first = ""  # the first row that has a detail, for a message

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Rows are added within this block; when it ends without an error the file is there."""
        # To the file at once, not to a list: a set can be unusable as a whole.
        with (
            written_aside(self.path) as aside,
            # backslashreplace: a file's name need not be UTF-8.
            open(aside, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
        ):
            self._rows = csv.writer(stream, lineterminator="\n")
            self._rows.writerow(COLUMNS)
            yield

    def add(self, row: int, where: str, reason: str, detail: str = "") -> None:
        """Note one row. reason: what is counted; detail: what the list says of this row behind it."""
        self.counts[reason] += 1
        told = f"{reason}: {detail}" if detail else reason
        self._rows.writerow((row, where, told))
        if detail and not self.first:
            self.first = f", first row {row} ({where}): {detail}"

    def summary(self) -> str:
        """`2 × no answer, 1 × unreadable image`: the most frequent reason first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{count} × {reason}" for reason, count in ordered)
