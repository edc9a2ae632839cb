"""Progress lines for the log of long steps."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TypeVar

from othink_mr1.data.download.secrets import say

Thing = TypeVar("Thing")

# Seconds between two lines.
EVERY = 10.0


class Progress:
    """Says now and then how far a step is and when it will end.

    total: the number of things, or None where it is not known beforehand.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total = what, total
        self.started = self.said = time.monotonic()

    def over(self, things: Iterator[Thing]) -> Iterator[Thing]:
        """Pass things through and count them; the last line comes when they end."""
        done = 0
        for done, thing in enumerate(things, start=1):
            yield thing
            if time.monotonic() - self.said >= EVERY:
                self.say(done)
        self.say(done)

    def reached(self, done: int) -> None:
        """So many are done; said when it is time, and at the end."""
        if done == self.total or time.monotonic() - self.said >= EVERY:
            self.say(done)

    def say(self, done: int) -> None:
        self.said = time.monotonic()
        taken = self.said - self.started
        line = f"{self.what}: {done}"
        if self.total:
            line += f"/{self.total}"
            if 0 < done < self.total:
                line += f", {taken * (self.total - done) / done:.0f} s left"
        print(f"{line} ({taken:.1f} s so far)", file=sys.stderr, flush=True)


class ByteProgress:
    """The same for files that come over the network, one after the other.

    total: bytes of all files that are still to come, or None where that is not known beforehand.
    """

    def __init__(self, total: int | None) -> None:
        self.left, self.came = total, 0
        self.started = self.said = time.monotonic()

    def start(self, what: str, size: int | None, have: int) -> None:
        """Begin a file. have: bytes of it that an earlier attempt left."""
        self.what, self.size, self.have = what, size, have
        self._say()

    def reached(self, have: int) -> None:
        """So many bytes of the file are there now; fewer than before if it had to be begun anew."""
        self.came += max(0, have - self.have)
        if self.left is not None:
            self.left -= have - self.have
        self.have = have
        if time.monotonic() - self.said >= EVERY:
            self._say()

    def end(self) -> None:
        """The file is there."""
        self._say()

    def _say(self) -> None:
        self.said = time.monotonic()
        rate = self.came / max(self.said - self.started, 1e-3)
        line = f"download {self.what}: {self.have / 1e6:.1f}"
        line += f" of {self.size / 1e6:.1f} MB" if self.size is not None else " MB"
        if self.came:
            line += f", {rate / 1e6:.1f} MB/s"
            if self.left:
                line += f", {self.left / rate:.0f} s left for all files"
        say(line)
