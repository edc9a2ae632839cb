"""Errors that a user can mend, and how the command line programs report them."""

from __future__ import annotations

import errno
import os
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# What a disk says that is full, forbids something, or fails; and what to do about it.
_DISK_REMEDIES = {
    errno.ENOSPC: "make room on that disk and run snakemake again; what was done so far is used",
    errno.EFBIG: "let `results` be on a disk that takes files of this size",
    errno.EDQUOT: "make room in your quota and run snakemake again; what was done so far is used",
    errno.EROFS: "let `results` be on a disk that can be written",
    errno.EACCES: "change who may read and write there",
    errno.EPERM: "change who may read and write there",
    errno.EIO: "check that disk",
    errno.ESTALE: "check that network drive",
    errno.EEXIST: "it stands where a folder is needed; remove it, or choose another path",
    errno.ENOTDIR: "it stands where a folder is needed; remove it, or choose another path",
    errno.ENAMETOOLONG: "choose a shorter name",
}
# Rust's libraries (safetensors) give the number in the text of an error of their own.
_RUST_ERROR = re.compile(r"\(os error (\d+)\)")


# torch's own error on a GPU, and the plain RuntimeError of its CPU allocator.
_OUT_OF_MEMORY = re.compile(r"out of memory|can't allocate memory|not enough memory", re.IGNORECASE)


class UserError(Exception):
    """A mistake in config, files or arguments. The message is one line: what, where, what to do."""


class Damaged(UserError):
    """A file that is not what its manifest says."""


class Diverged(UserError):
    """Numbers that are none, nan or infinite, where a model's are expected."""


class Interrupted(BaseException):
    """The process was told to end, and kept what it did. No Exception: nothing may take it for a failure."""

    def __init__(self, number: int, kept: str) -> None:
        """number: of the signal; kept: one line for the user."""
        super().__init__(kept)
        self.number = number


def first_line(error: Exception) -> str:
    """What a library's exception says, for a message of one line; the exception's name if it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError that names no file, as those of writing do, name this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def rust_disk_errors(kind: type[Exception], path: Path) -> Iterator[None]:
    """Turn errors of a Rust library, of this kind, into OSErrors of the path where they are the disk's."""
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
    """End the process with one line and exit code 1 for an error that the user can mend.

    An interrupted one ends with 128 + the signal's number, as shells expect.
    """
    try:
        yield
    except UserError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in _DISK_REMEDIES:
            raise
        # TensorBoard names files in bytes.
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        sys.exit(f"error: {where}{error.strerror}; {_DISK_REMEDIES[error.errno]}")
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _OUT_OF_MEMORY.search(str(error)):
            raise
        sys.exit(
            f"error: out of memory ({first_line(error)}); let the job have more (execution.*.memory_gb), or "
            "lower execution.*.row_tokens or batch_size, and run snakemake again; what was done is used"
        )
    except Interrupted as error:
        print(f"ended by {signal.Signals(error.number).name}: {error}", file=sys.stderr, flush=True)
        sys.exit(128 + error.number)


def run_entry_point(main: Callable[[], None]) -> None:
    """Run a command line program; see errors_in_one_line."""
    with errors_in_one_line():
        main()


def run_tool(main: Callable[[], None]) -> None:
    """Like run_entry_point, for a tool that prints: it ends when its reader (head, less) does."""
    # Not for jobs: whose worker process has died wants to be told, not to die.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    run_entry_point(main)
