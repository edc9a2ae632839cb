"""Limits for reading untrusted files: MEMORY beyond what the program starts with, and SECONDS per step.

A step decodes one picture, or reads a few rows of a file. If one takes longer, the program stops with a
one-line error that names it: a thread cannot be stopped, and a decompression bomb must not just be left out.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from othink_mr1.errors import printable

MEMORY = 4 * 2**30  # bytes; a picture of 50 million pixels takes half a gigabyte
SECONDS = 60.0


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


@contextmanager
def bounded_time(what: str) -> Iterator[None]:
    """Wrap a step. what: file and row."""
    timer = threading.Timer(SECONDS, _end, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(what: str) -> None:
    print(
        f"error: {printable(what)}: takes more than {SECONDS:.0f} s to read; do not use this file",
        file=sys.stderr,
        flush=True,
    )
    os._exit(1)
