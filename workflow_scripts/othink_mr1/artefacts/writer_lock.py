"""One writer per artefact: two jobs, perhaps of two Snakemakes on two machines, never fill one folder.

Why not a library's lock. File locks of the operating system are not there on every cluster's file system.
Lock files with a lifetime (flufl.lock) trust that clocks agree, and two waiting processes can both break a
stale one; those with a process number (filelock) know only their own machine.

How it works. The lock of a folder `f` is the hidden file `.f.writer.<n>` beside it with the highest n. It is
made by link(2), which exactly one process can do, also on NFS; nothing that exists is ever replaced, so a
stale lock is taken over by making the next number. Its holder touches it every few seconds. Another process
takes it for stale when that stopped for a while by the waiting process's own clock, or at once when it can
see that the holder's process is gone: same boot of the same machine, same process namespace.
A holder that was taken for dead finds a higher number, and stops before it writes anything more.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from othink_mr1.artefacts.atomic_files import json_text, sync, written_aside
from othink_mr1.errors import UserError

TOUCH_EVERY_SECONDS = 5.0
# Network file systems show another machine's touch late: up to a minute by default.
STALE_AFTER_SECONDS = 150.0
SAY_EVERY_SECONDS = 60.0
_POLL_SECONDS = 1.0


class Held(Exception):
    """Another process has the lock. holder: who, as in its file."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__(who(holder))
        self.holder = holder


class WriterLock:
    """The right to fill a folder. Made by `one_writer` and `take`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._next = _lock_file(*_parts(file)[:1], _parts(file)[1] + 1)
        self._ended = threading.Event()
        self._toucher = threading.Thread(target=self._touch, daemon=True, name="writer lock")
        self._toucher.start()

    def check(self) -> None:
        """UserError if another process has taken the lock over, because this one seemed dead to it."""
        if self._next.exists() or not self._file.exists():
            raise UserError(
                f"{_folder_of(self._file)}: this process stood still for so long that another one took over "
                f"({who(_read(self._next))}); it ends here, the other goes on"
            )

    def release(self, done: bool) -> None:
        """Give the lock up. done: the folder is complete, so that nobody needs its lock any more."""
        self._ended.set()
        self._toucher.join()
        # On a full disk the lock stays as it is: that its process is gone tells enough.
        with suppress(OSError):
            if done:
                for file in _lock_files(_folder_of(self._file)):
                    # Not the lock of one that took this one over.
                    if _parts(file)[1] < _parts(self._next)[1]:
                        file.unlink(missing_ok=True)
            elif not self._next.exists():
                # It stays, so that a process that takes it for stale at this moment finds the number used.
                with written_aside(self._file) as aside:
                    aside.write_text(json_text(_read(self._file) | {"released": True}), encoding="utf-8")

    def _touch(self) -> None:
        while not self._ended.wait(TOUCH_EVERY_SECONDS):
            # Whatever a network drive says once: without further touches the lock would be taken over.
            with suppress(OSError):
                os.utime(self._file)


@contextmanager
def one_writer(folder: Path) -> Iterator[WriterLock]:
    """Hold the folder's lock; wait for it, and say for whom, while another live process has it.

    UserError if the lock cannot be made (a read-only or a full disk).
    """
    lock = take(folder)
    done = False
    try:
        yield lock
        done = True
    finally:
        lock.release(done)


def writer_of(folder: Path) -> dict[str, Any] | None:
    """Who fills the folder now, as far as is known; None if nobody does.

    host, process, slurm_job, slurm_node, and silent_seconds: since it was seen last, by the clocks here and
    there. A living holder is seen every few seconds.
    """
    files = _lock_files(folder)
    holder = _read(files[-1]) if files else {}
    if not files or holder.get("released") or _presence(holder) == "gone":
        return None
    return holder | {"silent_seconds": max(0.0, time.time() - _touched(files[-1]) / 1e9)}


def take(folder: Path, wait: bool = True, name: object = None) -> WriterLock:
    """Take the folder's lock, to be released by the caller. name: for messages, in place of the folder's.

    wait: for another live process that has it; otherwise Held is raised as soon as that is known to live.
    UserError if the lock cannot be made.
    """
    name = name or folder
    watched: tuple[Path, int] | None = None
    since = time.monotonic()
    said = -SAY_EVERY_SECONDS
    while True:
        files = _lock_files(folder)
        newest = files[-1] if files else None
        holder = _read(newest) if newest else {}
        now = time.monotonic()
        sight = (newest, _touched(newest)) if newest else None
        was_touched = watched is not None and sight != watched
        if sight != watched:
            watched, since = sight, now
        presence = _presence(holder)
        stale = now - since > STALE_AFTER_SECONDS or presence == "gone"
        if newest is None or holder.get("released") or stale:
            number = _parts(newest)[1] + 1 if newest else 1
            if (mine := _make(folder, number, name)) is not None:
                if newest and not holder.get("released"):
                    _say(f"{name}: goes on after {who(holder)}, which has ended")
                for file in files:
                    file.unlink(missing_ok=True)
                return WriterLock(mine)
            continue
        if not wait and (was_touched or presence == "here"):
            raise Held(holder)
        if now - said >= SAY_EVERY_SECONDS:
            said = now
            what = "waiting until that is done" if wait else "looking whether it still lives"
            _say(f"{name}: is being written by {who(holder)}; {what}")
        time.sleep(_POLL_SECONDS)


def _make(folder: Path, number: int, name: object) -> Path | None:
    """The lock file, or None if another process was faster."""
    file = _lock_file(folder, number)
    claim = file.with_name(f".{folder.name}.claim.{secrets.token_hex(4)}")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            claim.write_text(json_text(_myself()), encoding="utf-8")
            sync(claim)  # a lock of nobody, after a power loss, would have to be waited for
            os.link(claim, file)
        except FileExistsError:
            return None
        finally:
            claim.unlink(missing_ok=True)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise UserError(
                f"{name}: its file system has no hard links ({error.strerror}), by which one writer is "
                "told from another; set `results` to another disk"
            ) from None
        raise UserError(
            f"{name}: cannot be written ({error.strerror}); make room on that disk, or change who may "
            "write there"
        ) from None
    # Somebody slower than two takeovers could make a number that has been given up long since.
    if _lock_files(folder)[-1:] != [file]:
        file.unlink(missing_ok=True)
        return None
    return file


def _lock_file(folder: Path, number: int) -> Path:
    return folder.with_name(f".{folder.name}.writer.{number}")


def _lock_files(folder: Path) -> list[Path]:
    """The lock files of a folder, by number."""
    start = f".{folder.name}.writer."
    try:
        names = os.listdir(folder.parent)
    except FileNotFoundError:
        return []
    numbers = sorted(
        int(name.removeprefix(start))
        for name in names
        if name.startswith(start) and name.removeprefix(start).isdecimal()
    )
    return [_lock_file(folder, number) for number in numbers]


def _parts(file: Path) -> tuple[Path, int]:
    """Folder and number of a lock file."""
    name, _, number = file.name.removeprefix(".").rpartition(".writer.")
    return file.with_name(name), int(number)


def _folder_of(file: Path) -> Path:
    return _parts(file)[0]


def _read(file: Path) -> dict[str, Any]:
    try:
        holder = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _touched(file: Path) -> int:
    """When the lock file was touched last, in ns by the file system's clock; only changes count."""
    # Opened, so that a network file system asks its server again.
    with suppress(OSError), open(file, "rb") as stream:
        return os.fstat(stream.fileno()).st_mtime_ns
    try:
        return file.stat().st_mtime_ns  # of somebody whose files may not be read
    except OSError:
        return -1


def _myself() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "started": _process_start(os.getpid()),
        "boot": _boot(),
        "namespace": _namespace(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "slurm_node": os.environ.get("SLURMD_NODENAME"),
    }


def _presence(holder: dict[str, Any]) -> Literal["here", "gone", "unknown"]:
    """Whether the holder's process lives, as far as this machine can tell."""
    same_machine = holder.get("boot") == _boot() and holder.get("namespace") == _namespace()
    if not same_machine or None in (holder.get("boot"), holder.get("namespace")):
        return "unknown"
    process = holder.get("process")
    if not isinstance(process, int):
        return "unknown"
    start = _process_start(process)
    if start is None and not Path(f"/proc/{process}/stat").exists():
        # Other users' processes may be hidden in /proc.
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return "gone"
        except PermissionError:
            return "unknown"
    return "here" if start == holder.get("started") else "gone"


def _process_start(process: int) -> str | None:
    """When a process began, in clock ticks since the boot; None if there is none, or it is dead.

    It tells a process from a later one that got the same number.
    """
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    state, start = fields[0], fields[19]
    return None if state in "ZX" else start


def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None


def _namespace() -> str | None:
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return None


def who(holder: dict[str, Any]) -> str:
    """A lock's holder for a message."""
    who = f"process {holder.get('process', '?')} on {holder.get('host', '?')}"
    if not holder.get("slurm_job"):
        return who
    node = f" on {holder['slurm_node']}" if holder.get("slurm_node") else ""
    return f"{who}, Slurm job {holder['slurm_job']}{node}"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
