"""Errors that a user can fix, and how the command line programs report them."""

from __future__ import annotations

import errno
import gc
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO, cast

# Disk errors (full, forbidden, failing), and what to do about each.
_DISK_REMEDIES = {
    errno.ENOSPC: "make room on that disk and run snakemake again; finished work is kept",
    errno.EFBIG: "let `results` be on a disk that takes files of this size",
    errno.EDQUOT: "make room in your quota and run snakemake again; finished work is kept",
    errno.EROFS: "let `results` be on a disk that can be written",
    errno.EACCES: "correct the permissions there (chmod, chown)",
    errno.EPERM: "correct the permissions there (chmod, chown)",
    errno.EIO: "check that disk",
    errno.ESTALE: "check that network drive",
    errno.EEXIST: "a file is in the way of a folder; remove it, or choose another path",
    errno.ENOTDIR: "a file is in the way of a folder; remove it, or choose another path",
    errno.ENAMETOOLONG: "choose a shorter name",
}
# Rust libraries (safetensors) give the error number only in the text of their own exception.
_RUST_ERROR = re.compile(r"\(os error (\d+)\)")

# What could move a terminal's cursor, change its colours or its title: all control characters but line ends,
# tabs and \r, which leads to the start of the same line only. And halves of surrogate pairs, which no stream
# can encode.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# Both torch's error on a GPU and the plain RuntimeError of its CPU allocator.
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory", re.IGNORECASE)


class UserError(Exception):
    """A mistake in config, files or arguments. The message is one line: what, where, what to do."""


class Damaged(UserError):
    """A file that does not match its manifest."""


class Diverged(UserError):
    """A model's value is nan or infinite."""


class Interrupted(BaseException):
    """The process was told to end, and saved its work. Not an Exception, so that no handler treats it as a
    failure."""

    def __init__(self, number: int, kept: str) -> None:
        """number: the signal's; kept: what was saved, one line for the user."""
        super().__init__(kept)
        self.number = number


def first_line(error: BaseException) -> str:
    """The first line of a library exception's message; the exception's name if the message is empty."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def printable(text: str) -> str:
    """A possibly untrusted text, with its control characters as escape sequences."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class _Printable:
    """A text stream that gets only printable text."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.write(printable(text))

    def writelines(self, lines: Iterable[str]) -> None:
        self._stream.writelines(map(printable, lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add this path to an OSError that names no file, such as errors of writing."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def rust_disk_errors(kind: type[Exception], path: Path) -> Iterator[None]:
    """Turn disk errors that a Rust library raises as `kind` into OSErrors that name the path."""
    try:
        yield
    except kind as error:
        if (found := _RUST_ERROR.search(str(error))) is None:
            raise
        number = int(found.group(1))
        raise OSError(number, first_line(error), str(path)) from None


@contextmanager
def temporary_file_errors() -> Iterator[None]:
    """Turn a failed write to a temporary file into a UserError that says where it was and what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{tempfile.gettempdir()}: cannot keep images there ({first_line(error)}); make room, or set "
            "TMPDIR to another folder"
        ) from None


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Stop the process with a one-line error and exit code 1 for an error that the user can fix.

    An interrupted process ends with 128 + the signal's number, as shells expect.
    """
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {printable(str(error))}")
    except OSError as error:
        if error.errno not in _DISK_REMEDIES:
            raise
        # TensorBoard gives file names as bytes.
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        sys.exit(f"error: {printable(where)}{error.strerror}; {_DISK_REMEDIES[error.errno]}")
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        sys.exit(
            f"error: out of memory ({first_line(error)}); let the job have more (execution.*.memory_gb), or "
            "lower execution.*.row_tokens, and run snakemake again; finished work is kept"
        )
    except Interrupted as error:
        print(f"ended by {signal.Signals(error.number).name}: {error}", file=sys.stderr, flush=True)
        sys.exit(128 + error.number)


def run_entry_point(main: Callable[[], None]) -> None:
    """Run a command line program; see errors_in_one_line. It prints no control characters."""
    # None: closed by whoever started the program.
    stdout, stderr = (stream and cast(TextIO, _Printable(stream)) for stream in (sys.stdout, sys.stderr))
    gc.freeze()  # what was imported is there to the end: an eighth of a short job's time was a search of it
    with errors_in_one_line(), redirect_stdout(stdout), redirect_stderr(stderr):
        main()


def run_tool(main: Callable[[], None]) -> None:
    """Like run_entry_point, for a tool that prints: it ends when its reader (head, less) ends."""
    # Not for jobs: a job must get an error if its worker process has died, not be killed by SIGPIPE.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    run_entry_point(main)
