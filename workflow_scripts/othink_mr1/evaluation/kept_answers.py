"""Completions of a task that is not answered to its end yet, appended one by one: a killed job loses none.

A hidden file in the answers' folder, which no rule declares. Each line has its own digest: a torn or damaged
one is dropped, and its item answered again. A completion's line names the code that made it, which a line of
its own before tells in full: a generation may be gone on with by other code, and its manifest then has both.
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
from typing import Any, NamedTuple

from othink_mr1.errors import naming
from othink_mr1.study.atomic_files import write_text

NAME = ".answered.jsonl"
# What a power loss may cost: what was written since the file was brought to the disk.
SYNC_EVERY_SECONDS = 5.0


class Completion(NamedTuple):
    """What the model wrote, and whether it was cut at the most tokens that it may write."""

    completion: str
    truncated: bool


class KeptAnswers:
    """The completions that are there, by the item's number, and a place for further ones."""

    def __init__(self, folder: Path, made_of: Mapping[str, Any], items: int, code: Mapping[str, str]) -> None:
        """made_of: JSON values; what was kept of something else is forgotten. items: of the task.

        code: of this process, as stage_code gives it.
        """
        self._file = folder / NAME
        self._of = _digest(made_of)
        self.completions: dict[int, Completion] = {}
        self._code = _digest(code)
        self._codes = {self._code: dict(code)}
        self._code_of: dict[int, str] = {}  # item -> digest of the code that answered it
        dropped = self._read(items)
        if dropped:
            print(
                f"{self._file}: {dropped} lines are damaged, or of other answers; those items are answered "
                "again",
                file=sys.stderr,
                flush=True,
            )
        used = [key for key in self._codes if key == self._code or key in self._code_of.values()]
        lines = [self._code_line(self._codes[key]) for key in used]
        lines += [self._line(item, completion) for item, completion in self.completions.items()]
        # Anew: what is appended must begin at the start of a line.
        write_text(self._file, "".join(lines))
        # Facts of what was answered before, for code_facts.
        self.codes_before = [{"code": self._codes[key]} for key in used if key != self._code]
        self._stream = self._file.open("a", encoding="utf-8")
        self._synced = time.monotonic()

    def __enter__(self) -> KeptAnswers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with naming(self._file):
            self._stream.close()

    def add(self, item: int, completion: Completion) -> None:
        """Keep a completion."""
        self._code_of[item] = self._code
        with naming(self._file):
            self._stream.write(self._line(item, completion))
            self._stream.flush()
            if time.monotonic() - self._synced > SYNC_EVERY_SECONDS:
                os.fsync(self._stream.fileno())
                self._synced = time.monotonic()
        self.completions[item] = completion

    def _line(self, item: int, completion: Completion) -> str:
        # Escaped to ASCII: one line, whatever the model wrote.
        return self._sealed({"item": item, **completion._asdict(), "by": self._code_of[item]})

    def _code_line(self, code: Mapping[str, str]) -> str:
        return self._sealed({"code": dict(code)})

    def _sealed(self, entry: dict[str, Any]) -> str:
        return json.dumps({**entry, "sha256": _digest([self._of, entry])}) + "\n"

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
                sound = entry.pop("sha256") == _digest([self._of, entry])
                if sound and "code" in entry:
                    self._codes[_digest(entry["code"])] = entry["code"]
                elif sound and (sound := 0 <= entry["item"] < items and entry["by"] in self._codes):
                    self.completions[entry["item"]] = Completion(entry["completion"], entry["truncated"])
                    self._code_of[entry["item"]] = entry["by"]
            except (ValueError, KeyError, TypeError, AttributeError):
                sound = False
            dropped += not sound
        return dropped


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def forget_answers(folder: Path) -> None:
    """Remove what was kept, when it is in a complete folder."""
    (folder / NAME).unlink(missing_ok=True)
