"""Completions of a task that is not answered to its end yet, appended one by one: a killed job loses none.

A hidden file in the answers' folder, which no rule declares. Each line has its own digest: a torn or damaged
one is dropped, and its item answered again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from othink_mr1.errors import naming
from othink_mr1.study.atomic_files import json_text, write_text

NAME = ".answered.jsonl"
# What a power loss may cost: what was written since the file was brought to the disk.
SYNC_EVERY_SECONDS = 5.0


class KeptAnswers:
    """The completions that are there, by the item's number, and a place for further ones."""

    def __init__(self, folder: Path, made_of: Mapping[str, Any], items: int) -> None:
        """made_of: JSON values; what was kept of something else is forgotten. items: of the task."""
        self._file = folder / NAME
        self._of = hashlib.sha256(json_text(made_of).encode()).hexdigest()
        self.completions: dict[int, str] = {}
        dropped = self._read(items)
        if dropped:
            print(
                f"{self._file}: {dropped} lines are damaged, or of other answers; those items are answered "
                "again",
                file=sys.stderr,
                flush=True,
            )
        # Anew: what is appended must begin at the start of a line.
        write_text(self._file, "".join(self._line(*entry) for entry in self.completions.items()))
        self._stream = self._file.open("a", encoding="utf-8")
        self._synced = time.monotonic()

    def __enter__(self) -> KeptAnswers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with naming(self._file):
            self._stream.close()

    def add(self, item: int, completion: str) -> None:
        """Keep a completion."""
        with naming(self._file):
            self._stream.write(self._line(item, completion))
            self._stream.flush()
            if time.monotonic() - self._synced > SYNC_EVERY_SECONDS:
                os.fsync(self._stream.fileno())
                self._synced = time.monotonic()
        self.completions[item] = completion

    def _line(self, item: int, completion: str) -> str:
        # Escaped to ASCII: one line, whatever the model wrote.
        entry = {"item": item, "completion": completion, "sha256": self._digest(item, completion)}
        return json.dumps(entry) + "\n"

    def _digest(self, item: int, completion: str) -> str:
        return hashlib.sha256(json.dumps([self._of, item, completion]).encode()).hexdigest()

    def _read(self, items: int) -> int:
        """Take the lines that are sound; returns how many are not."""
        if not self._file.exists():
            return 0
        lines = self._file.read_bytes().split(b"\n")
        last = lines.pop()  # what stands after the last line end: nothing, or a line that was torn
        dropped = int(last != b"")
        for line in lines:
            try:
                entry = json.loads(line)
                item, completion = entry["item"], entry["completion"]
                sound = entry["sha256"] == self._digest(item, completion) and 0 <= item < items
            except (ValueError, KeyError, TypeError):
                sound = False
            if sound:
                self.completions[item] = completion
            else:
                dropped += 1
        return dropped


def forget_answers(folder: Path) -> None:
    """Remove what was kept, when it is in a complete folder."""
    (folder / NAME).unlink(missing_ok=True)
