"""Progress lines for the log of long steps."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TypeVar

Thing = TypeVar("Thing")

# Seconds between two lines.
EVERY = 10.0


class Progress:
    """Prints from time to time how far a step is and when it will end.

    total: the number of things, or None if it is not known beforehand.
    """

    def __init__(self, what: str, total: int | None) -> None:
        self.what, self.total = what, total
        self.started = self.said = time.monotonic()

    def over(self, things: Iterator[Thing]) -> Iterator[Thing]:
        """Pass things through and count them; the last line is printed when they end."""
        done = 0
        for done, thing in enumerate(things, start=1):
            yield thing
            if time.monotonic() - self.said >= EVERY:
                self.say(done)
        self.say(done)

    def reached(self, done: int) -> None:
        """So many are done; printed when it is time, and at the end."""
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
