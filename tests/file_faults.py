"""Crash tests of programs that write files: kill them before any of their file operations, or fill the disk.

    seen = run([sys.executable, "program.py"], under=folder, timeout=60)
    for operation in seen.operations:
        ...                                       # make the folder as it was at first
        killed = run([sys.executable, "program.py"], under=folder, kill_before=operation.number, timeout=60)
        lose_unsynced(killed.operations, folder, "emptied")
        ...                                       # does the program recover from what is there now?

An operation is a system call that changes something under the folder, from any process, thread or library:
open (that creates or truncates), write, copy (sendfile and similar), truncate, fallocate, fsync, rename,
link, symlink, unlink, mkdir, rmdir. Variants have the same name: openat is open, fdatasync is fsync.
`mmap` is a writable mapping of a file; writes through it are not seen.

file_faults.c does the work. During an operation all others wait, so the numbers are the true order, also
across threads. It needs Linux on x86_64 and gcc, but no privileges.

Not seen: io_uring, clones by ioctl (`cp --reflink`), changes of permissions and times. If a process in an
operation waits for an operation of another process, as with a named pipe under the folder, it hangs.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import runpy
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import warm_python

SOURCE = Path(__file__).with_suffix(".c")
# The exit codes of file_faults.c for its own errors, and for a command that cannot be started.
_OWN_FAULTS = (125, 127)
_CHANGES_CONTENT = ("write", "copy", "truncate", "fallocate", "mmap")


@dataclass(frozen=True)
class Operation:
    """One file operation, as logged at its end."""

    number: int  # from 1, over all processes
    pid: int
    name: str
    path: Path
    other: Path | None = None  # the new path of a rename or link; the target of a symbolic link
    size: int = 0  # bytes that a write or copy wrote
    error: int = 0  # the errno it failed with, real or injected


@dataclass(frozen=True)
class Outcome:
    """A command's result: subprocess's exit code (-9 if killed), its output, its operations."""

    returncode: int
    stdout: str
    stderr: str
    operations: tuple[Operation, ...]


def build(folder: Path, *options: str) -> Path:
    """Compile file_faults.c to a program in `folder`, or by gcc's options to a library."""
    program = folder / SOURCE.stem
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", *options, "-o", str(program), str(SOURCE)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        raise RuntimeError("the crash tests need gcc, which is not installed") from None
    if result.returncode != 0:
        raise RuntimeError(f"{SOURCE.name} does not compile:\n{result.stderr}")
    return program


@cache
def _built(*options: str) -> Path:
    folder = tempfile.mkdtemp(prefix="file-faults-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return build(Path(folder), *options)


def run(
    command: Sequence[str | os.PathLike[str]],
    under: Path,
    *,
    timeout: float,
    kill_before: int | None = None,
    no_space_from: int | None = None,
    no_space_only_at: int | None = None,
    short_write: bool = False,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    forked: bool = False,
) -> Outcome:
    """Run a command until all its processes have ended, with at most one fault; without one, only observe it.

    kill_before: kill the command's process group before this operation.
    no_space_from: this operation and all later ones fail with ENOSPC if they need space: to create a file,
        folder or symbolic link, to write, copy, fallocate or fsync. Others succeed.
    no_space_only_at: the same for only this operation.
    short_write: if a write runs out of space, its first half is still written, and it returns that length.
    forked: the command is a Python program with its arguments, to run in a fork that has imported torch.
    timeout: in seconds; then all processes are killed and subprocess.TimeoutExpired is raised.
    """
    faults = (kill_before, no_space_from, no_space_only_at)
    if sum(fault is not None for fault in faults) > 1:
        raise ValueError("kill_before, no_space_from and no_space_only_at: give one of them")
    if any(fault is not None and fault < 1 for fault in faults):
        raise ValueError("operations are numbered from 1")
    if short_write and no_space_from is None and no_space_only_at is None:
        raise ValueError("short_write needs no_space_from or no_space_only_at")
    with tempfile.TemporaryDirectory(prefix="file-faults-") as scratch:
        log = Path(scratch) / "log"
        settings = [str(int(setting or 0)) for setting in (*faults, short_write)]
        tracer = warm_python.command(__file__, str(_built("-shared", "-fPIC"))) if forked else [_built()]
        result = subprocess.run(
            [*tracer, under.resolve(), log, *settings, *command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            start_new_session=True,
        )
        if result.returncode in _OWN_FAULTS and "file_faults: " in result.stderr:
            raise RuntimeError(result.stderr)
        return Outcome(result.returncode, result.stdout, result.stderr, _read_log(log.read_bytes()))


def _read_log(log: bytes) -> tuple[Operation, ...]:
    fields = [os.fsdecode(field) for field in log.split(b"\0")[:-1]]
    operations = []
    for number, pid, name, path, other, size, error in zip(*[iter(fields)] * 7, strict=True):
        operations.append(
            Operation(
                number=int(number),
                pid=int(pid),
                name=name,
                path=Path(path),
                other=Path(other) if other else None,
                size=int(size),
                error=int(error),
            )
        )
    return tuple(operations)


def unsynced_files(operations: Iterable[Operation]) -> set[Path]:
    """The files, by their final names, whose content was changed after their last fsync."""
    files: set[Path] = set()
    for operation in operations:
        path, other = operation.path, operation.other
        if operation.error:
            continue
        if operation.name in _CHANGES_CONTENT:
            files.add(path)
        elif operation.name in ("fsync", "unlink"):
            files.discard(path)
        elif operation.name == "rename" and other is not None and other != path:
            replaced = {file for file in files if file.is_relative_to(other)}
            files = {_renamed(file, path, other) for file in files - replaced}
        elif operation.name == "link" and other is not None and path in files:
            files.add(other)
    return files


def _renamed(file: Path, old: Path, new: Path) -> Path:
    return new / file.relative_to(old) if file.is_relative_to(old) else file


def lose_unsynced(
    operations: Iterable[Operation], under: Path, how: Literal["emptied", "half", "zeroed"]
) -> list[Path]:
    """Simulate a power loss after these operations: damage the files that were not synced. Returns them.

    how: "emptied" to no bytes, "half" cut to half its size, "zeroed" to the same number of zeros.
    Names do not change. A rename, a deletion or a new name can be lost too, if fsync was not called for its
    folder; that is not simulated.
    """
    under = under.resolve()
    lost = sorted(
        file
        for file in unsynced_files(operations)
        if file.is_relative_to(under) and file.is_file() and not file.is_symlink()
    )
    for file in lost:
        size = file.stat().st_size
        os.truncate(file, size // 2 if how == "half" else 0)
        if how == "zeroed":
            os.truncate(file, size)
    return lost


def _run_traced(library: str, settings: list[str], program: list[str]) -> None:
    """Run a Python program in a child of this process, which traces it and ends as it did."""
    tracer = os.getpid()
    arguments = [SOURCE.stem.encode(), *map(os.fsencode, settings), None]
    code = ctypes.PyDLL(library).main(len(settings) + 1, (ctypes.c_char_p * len(arguments))(*arguments))
    if os.getpid() == tracer:
        os._exit(code)
    sys.argv = program
    sys.path[0] = str(Path(program[0]).parent)
    runpy.run_path(program[0], run_name="__main__")


if __name__ == "__main__":
    _run_traced(sys.argv[1], sys.argv[2:8], sys.argv[8:])
