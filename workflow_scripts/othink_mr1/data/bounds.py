"""Limits for reading untrusted files: MEMORY beyond what the program starts with, and SECONDS per step.

A step decodes one picture, reads a few rows of a file, or has a scorer judge a gold. If one takes longer, the
program stops with a one-line error that names it: a thread cannot be stopped, and a decompression bomb must
not just be left out.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from othink_mr1.errors import UserError, printable

_READ = "read; do not use this file (or mend its disk, if that stands still)"

MEMORY = 4 * 2**30  # bytes; a picture of 50 million pixels takes half a gigabyte
SECONDS = 120.0
_TICK = 0.5  # seconds between two looks


def limit_memory() -> None:
    """Let this process take at most MEMORY more than now: beyond that, MemoryError is raised.

    Only writable memory counts (RLIMIT_DATA). A limit of the address space would not work: on a machine with
    many processors, threads reserve gigabytes of it and use little.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    asked = pages * resource.getpagesize() + MEMORY
    if most == resource.RLIM_INFINITY or asked < most:
        resource.setrlimit(resource.RLIMIT_DATA, (asked, most))


def too_much_memory(what: str) -> UserError:
    """The error for a step that reached the limit. what: file and row."""
    return UserError(
        f"{what}: takes more than {MEMORY >> 30} GB of memory to read; do not use this file (or let the job "
        "have more memory or fewer threads, if it has less)"
    )


@dataclass
class _Step:
    what: str
    task: str
    seconds: float = 0.0


_steps: dict[int, _Step] = {}
_watching = threading.Lock()


@contextmanager
def bounded_time(what: str, task: str = _READ) -> Iterator[None]:
    """Wrap a step. what: file and row; task: what takes too long, and what to do about it."""
    if _watching.acquire(blocking=False):  # the first step; the lock is kept
        threading.Thread(target=_watch, daemon=True).start()
    step = _Step(what, task)
    _steps[id(step)] = step
    try:
        yield
    finally:
        del _steps[id(step)]


def _watch() -> None:
    """Count the seconds of all steps. A process that is stopped, by Ctrl-Z for one, ages by one tick."""
    while True:
        time.sleep(_TICK)
        for step in list(_steps.values()):
            step.seconds += _TICK
            if step.seconds > SECONDS:
                _end(step)


def _end(step: _Step) -> None:
    print(
        f"error: {printable(step.what)}: takes more than {SECONDS:.0f} s to {step.task}",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)
