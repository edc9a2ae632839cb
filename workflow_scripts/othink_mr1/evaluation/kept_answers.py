"""Completions of an unfinished task, appended one by one: a killed job loses none.

They are in hidden files in the answers folder, one per process, which no rule declares. Each line has its own
digest: a torn or damaged line is dropped, and its item is answered again. Each line names the commit that
made it: a generation may be resumed by other code, and its manifest then lists both commits.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.provenance import provenance
from othink_mr1.errors import naming

NAME = ".answered.jsonl"
# A power loss may lose what was written since the last sync.
SYNC_EVERY_SECONDS = 5.0


class Completion(NamedTuple):
    """The model's text, and whether it was truncated at the token limit."""

    completion: str
    truncated: bool


class KeptAnswers:
    """The completions so far, by item number; further ones can be added."""

    def __init__(self, folder: Path, made_of: Mapping[str, Any], items: int, rank: int = 0) -> None:
        """made_of: JSON values; completions kept for others are dropped. items: how many the task has.

        rank: of the process. The first one must be the first to come here: it takes over all that was kept.
        """
        self._file = folder / (f".answered-{rank}.jsonl" if rank else NAME)
        self._of = _digest(made_of)
        self.completions: dict[int, Completion] = {}
        self._commit = provenance()["commit"]
        self._commit_of: dict[int, str | None] = {}  # item -> commit of the code that answered it
        kept = parts(folder) if rank == 0 else []
        dropped = sum(self._read(part, items) for part in kept)
        if dropped:
            print(
                f"{self._file}: {dropped} lines are damaged, or of other answers; those items are answered "
                "again",
                file=sys.stderr,
                flush=True,
            )
        lines = [self._line(item, completion) for item, completion in self.completions.items()]
        # Rewritten: appended text must begin at the start of a line.
        write_text(self._file, "".join(lines))
        for part in kept:
            if part != self._file:
                part.unlink()
        self._stream = self._file.open("a", encoding="utf-8")
        self._synced = time.monotonic()

    def __enter__(self) -> KeptAnswers:
        return self

    def __exit__(self, *_: object) -> None:
        with naming(self._file):
            self._stream.close()

    def add(self, item: int, completion: Completion) -> None:
        self._commit_of[item] = self._commit
        with naming(self._file):
            self._stream.write(self._line(item, completion))
            self._stream.flush()
            if time.monotonic() - self._synced > SYNC_EVERY_SECONDS:
                os.fsync(self._stream.fileno())
                self._synced = time.monotonic()
        self.completions[item] = completion

    @property
    def commits(self) -> list[str | None]:
        """The commits of all code that answered an item."""
        return sorted(set(self._commit_of.values()), key=str)

    def _line(self, item: int, completion: Completion) -> str:
        # Escaped to ASCII, so that it is one line for any text of the model.
        entry = {"item": item, **completion._asdict(), "by": self._commit_of[item]}
        return json.dumps({**entry, "sha256": _digest([self._of, entry])}) + "\n"

    def _read(self, part: Path, items: int) -> int:
        """Take over the sound lines; returns the number of damaged ones."""
        lines = part.read_bytes().split(b"\n")
        last = lines.pop()  # the text after the last line end: empty, or a torn line
        dropped = int(last != b"")
        for line in lines:
            try:
                entry = json.loads(line)
                sound = entry.pop("sha256") == _digest([self._of, entry])
                if sound and (sound := 0 <= entry["item"] < items):
                    self.completions[entry["item"]] = Completion(entry["completion"], entry["truncated"])
                    self._commit_of[entry["item"]] = entry["by"]
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                sound = False
            dropped += not sound
        return dropped


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def parts(folder: Path) -> list[Path]:
    """The files of kept completions."""
    return sorted(folder.glob(".answered*.jsonl"))


def forget_answers(folder: Path) -> None:
    """Remove the kept completions; called when the folder is complete and has them."""
    for part in parts(folder):
        part.unlink()
