"""One writer per artefact: two jobs never fill the same folder, even from two Snakemakes on two machines.

The lock is a filelock lease: the hidden file `.<folder>.writer` beside the folder, which its holder touches
every few seconds. Another process takes it over at once if it sees, on the same machine, that the holder's
process is gone; otherwise when it was not touched for LEASE_SECONDS by the waiting process's own clock. A
holder that was wrongly presumed dead finds another token in the file, and stops before it writes anything
more. `.<folder>.holder` beside it names the holder, for people.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import SoftFileLease, Timeout

from othink_mr1.artefacts.atomic_files import sync, write_json
from othink_mr1.errors import UserError

HEARTBEAT_SECONDS = 5.0
# Network file systems show another machine's touch with a delay, up to a minute by default.
LEASE_SECONDS = 150.0
# A holder writes its name right after it made the file: one without a name was killed between, or lost power.
NAMELESS_SECONDS = 30.0
SAY_EVERY_SECONDS = 60.0
_POLL_SECONDS = 1.0


class Held(Exception):
    """Another process has the lock. holder: the content of its holder file."""

    def __init__(self, holder: dict[str, Any]) -> None:
        super().__init__(who(holder))
        self.holder = holder


class WriterLock:
    """The lock of a folder. Created by `one_writer` and `take`."""

    def __init__(self, folder: Path, lease: SoftFileLease) -> None:
        self._folder, self._lease = folder, lease
        # The lease tells it only to the thread that took the lock; `check` is also called by others.
        self._token = lease.token

    def check(self) -> None:
        """UserError if another process has taken over the lock, presuming this one dead."""
        if not self._is_mine():
            raise UserError(
                f"{self._folder}: this process stood still for so long that another one took over "
                f"({who(_holder(self._folder))}); it ends here, the other goes on"
            )

    def release(self) -> None:
        """Release the lock. On a full disk the file may stay; others will see that its process is gone."""
        with suppress(OSError):
            if self._is_mine():
                _holder_file(self._folder).unlink(missing_ok=True)
            self._lease.release()

    def _is_mine(self) -> bool:
        owner = self._lease.owner
        return owner is not None and owner.token == self._token


@contextmanager
def one_writer(folder: Path) -> Iterator[WriterLock]:
    """Hold the folder's lock; while another live process has it, wait and say which one.

    UserError if the lock cannot be created (a read-only or a full disk).
    """
    lock = take(folder)
    try:
        yield lock
    finally:
        lock.release()


def take(folder: Path, wait: bool = True, name: object = None) -> WriterLock:
    """Take the folder's lock; the caller must release it. name: replaces the folder's name in messages.

    wait: wait for another live process that has it; otherwise raise Held as soon as it is known to be alive.
    UserError if the lock cannot be created.
    """
    name = name or folder
    lease = _lease(folder)
    file = _lock_file(folder)
    first_touch = _touched(file)
    found = first_touch is not None
    last_touch, since = first_touch, time.monotonic()
    said = -SAY_EVERY_SECONDS
    while True:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lease.acquire(timeout=0)
            sync(file)  # if a power loss emptied it, others would wait for it
            former = _holder(folder) if found else {}
            write_json(_holder_file(folder), _myself())
        except Timeout:
            pass
        except OSError as error:
            lease.release()
            raise UserError(
                f"{name}: cannot be written ({error.strerror}); make room on that disk, or change who may "
                "write there"
            ) from None
        else:
            if former:
                _say(f"{name}: goes on after {who(former)}, which has ended")
            return WriterLock(folder, lease)
        holder, now, touched = _holder(folder), time.monotonic(), _touched(file)
        if not wait and (_is_here(lease) or touched != first_touch):
            raise Held(holder)
        found = True
        if touched != last_touch:
            last_touch, since = touched, now
        elif lease.owner is None and now - since > NAMELESS_SECONDS:
            lease.force_break()  # an empty file; a lease would wait for it forever
        if now - said >= SAY_EVERY_SECONDS:
            said = now
            what = "waiting until that is done" if wait else "checking whether that process is still running"
            _say(f"{name}: is being written by {who(holder)}; {what}")
        time.sleep(_POLL_SECONDS)


def writer_of(folder: Path) -> dict[str, Any] | None:
    """The process that fills the folder now, as far as is known; None if there is none.

    Keys: host, process, slurm_job, slurm_node, and silent_seconds since its last touch, by the clocks of both
    machines. A live holder touches the file every few seconds.
    """
    lease, touched = _lease(folder), _touched(_lock_file(folder))
    if touched is None or (_is_of_this_machine(lease) and not _is_here(lease)):
        return None
    silent = max(0.0, time.time() - touched)
    return _holder(folder) | {"silent_seconds": silent} if silent < LEASE_SECONDS else None


def hold_results(results: Path) -> None:
    """Keep other Snakemakes off the results until this process ends. UserError if one is already running.

    Snakemake's own lock covers only its working directory, but two checkouts may share one results folder.
    Before a job starts, Snakemake deletes its outputs, even if another Snakemake has made them meanwhile.
    """
    try:
        # Absolute: at exit Snakemake has changed back to the folder where it was started.
        lock = take(results.absolute() / "snakemake", wait=False, name=results)
    except Held as held:
        raise UserError(
            f"{results}: another snakemake is at work here ({who(held.holder)}); wait until it has ended, or "
            "set `results` to another folder"
        ) from None
    atexit.register(lock.release)


def who(holder: dict[str, Any]) -> str:
    """A lock's holder, worded for a message."""
    who = f"process {holder.get('process', '?')} on {holder.get('host', '?')}"
    if not holder.get("slurm_job"):
        return who
    node = f" on {holder['slurm_node']}" if holder.get("slurm_node") else ""
    return f"{who}, Slurm job {holder['slurm_job']}{node}"


def _lease(folder: Path) -> SoftFileLease:
    return SoftFileLease(
        _lock_file(folder), lease_duration=LEASE_SECONDS, heartbeat_interval=HEARTBEAT_SECONDS
    )


def _lock_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.writer")


def _holder_file(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.holder")


def _holder(folder: Path) -> dict[str, Any]:
    try:
        holder = json.loads(_holder_file(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _myself() -> dict[str, Any]:
    return {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
        "slurm_node": os.environ.get("SLURMD_NODENAME"),
    }


def _touched(file: Path) -> float | None:
    """When the lock file was last touched, in seconds by the file system's clock; None if there is none."""
    # Opened, so that a network file system asks its server again.
    with suppress(OSError), open(file, "rb") as stream:
        return os.fstat(stream.fileno()).st_mtime
    with suppress(OSError):
        return file.stat().st_mtime  # another user's, which may not be read
    return None


def _is_of_this_machine(lease: SoftFileLease) -> bool:
    owner = lease.owner
    return owner is not None and owner.hostname == socket.gethostname()  # a container's has a suffix


def _is_here(lease: SoftFileLease) -> bool:
    """Whether the holder is a live process on this machine. A zombie counts as alive."""
    owner = lease.owner
    if owner is None or not _is_of_this_machine(lease):
        return False
    try:
        os.kill(owner.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
