"""One writer per folder: others wait, a dead one's place is taken, one that was taken for dead stops."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from othink_mr1.artefacts import writer_lock
from othink_mr1.artefacts.writer_lock import one_writer, writer_of
from othink_mr1.errors import UserError

ELSEWHERE = {
    "host": "node7",
    "process": 1,
    "started": "1",
    "boot": "another machine's",
    "namespace": "pid:[1]",
    "slurm_job": "4711",
}

# A process that holds the folder's lock: it says so, and waits until its input ends.
HOLDER = """
import sys
from pathlib import Path
from othink_mr1.errors import UserError
from othink_mr1.artefacts import writer_lock
writer_lock._POLL_SECONDS = 0.02
writer_lock.TOUCH_EVERY_SECONDS = 0.05
with writer_lock.one_writer(Path(sys.argv[1])) as lock:
    print("holds", flush=True)
    sys.stdin.readline()
    try:
        lock.check()
    except UserError as error:
        sys.exit(f"error: {error}")
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_lock, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(writer_lock, "TOUCH_EVERY_SECONDS", 0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a process with this code, which must not outlive the test."""
    running: list[subprocess.Popen[str]] = []

    def start(code: str, *arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def held(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """The process, when it has the lock."""
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def locks(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir() if ".writer." in path.name)


def leave_lock(folder: Path, number: int = 1, **changes: Any) -> Path:
    """A lock file as a process of another machine has it."""
    file = folder.with_name(f".{folder.name}.writer.{number}")
    file.write_text(json.dumps(ELSEWHERE | changes))
    return file


def test_the_second_waits_and_takes_over_when_the_first_is_killed(
    folder: Path, start: Callable[..., subprocess.Popen[str]], capfd: pytest.CaptureFixture[str]
) -> None:
    first = held(start(HOLDER, folder))
    taken = threading.Event()

    def second() -> None:
        with one_writer(folder):
            taken.set()

    thread = threading.Thread(target=second)
    thread.start()
    assert not taken.wait(0.5)
    first.send_signal(signal.SIGKILL)  # not waited for: a zombie is dead, too
    killed = time.monotonic()
    assert taken.wait(20)
    assert time.monotonic() - killed < 10 < writer_lock.STALE_AFTER_SECONDS
    thread.join()
    name = f"process {first.pid} on {socket.gethostname()}"
    assert capfd.readouterr().err.splitlines() == [
        f"{folder}: is being written by {name}; waiting until that is done",
        f"{folder}: goes on after {name}, which has ended",
    ]
    assert locks(folder) == []


def test_a_lock_that_is_given_up_is_free_at_once(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with one_writer(folder):
            raise RuntimeError("full disk")

    with pytest.raises(RuntimeError):
        fail()
    assert writer_of(folder) is None
    started = time.monotonic()
    with one_writer(folder) as lock:
        lock.check()
        assert time.monotonic() - started < 1
        assert locks(folder) == [".run.writer.2"]
    assert locks(folder) == []
    assert capfd.readouterr().err == ""


def test_waiting_is_said_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writer_lock, "SAY_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(writer_lock, "STALE_AFTER_SECONDS", 0.6)
    leave_lock(folder)
    with one_writer(folder):
        pass
    *waiting, last = capfd.readouterr().err.splitlines()
    name = "process 1 on node7, Slurm job 4711"
    assert 2 <= len(waiting) <= 7
    assert set(waiting) == {f"{folder}: is being written by {name}; waiting until that is done"}
    assert last == f"{folder}: goes on after {name}, which has ended"


def test_another_machines_lock_is_stale_when_nobody_touches_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_lock, "STALE_AFTER_SECONDS", 2.0)
    file = leave_lock(folder)
    until = time.monotonic() + 4.0

    def touch() -> None:
        while time.monotonic() < until:
            # By a clock that is hours off: only that it changes counts.
            os.utime(file, (10_000 + time.monotonic(),) * 2)
            time.sleep(0.05)

    thread = threading.Thread(target=touch)
    thread.start()
    with one_writer(folder):
        assert time.monotonic() > until + 1.0
    thread.join()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_lock_is_stale_in_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(writer_lock, "STALE_AFTER_SECONDS", 0.2)
    leave_lock(folder).write_bytes(content)
    with one_writer(folder):
        assert locks(folder) == [".run.writer.2"]
    assert "goes on after process ? on ?, which has ended" in capfd.readouterr().err


def test_one_that_was_taken_over_stops_and_leaves_the_others_lock(folder: Path) -> None:
    def taken_over() -> None:
        with one_writer(folder) as lock:
            leave_lock(folder, 2)
            lock.check()

    with pytest.raises(UserError) as caught:
        taken_over()
    assert str(caught.value) == (
        f"{folder}: this process stood still for so long that another one took over "
        "(process 1 on node7, Slurm job 4711); it ends here, the other goes on"
    )
    assert ".run.writer.2" in locks(folder)


def test_one_that_ends_after_it_was_taken_over_leaves_the_others_lock(folder: Path) -> None:
    with one_writer(folder):
        leave_lock(folder, 2)
    assert locks(folder) == [".run.writer.2"]


def test_one_whose_lock_is_gone_stops(folder: Path) -> None:
    """The other one has taken over, and is done."""

    def taken_over() -> None:
        with one_writer(folder) as lock:
            folder.with_name(".run.writer.1").unlink()
            lock.check()

    with pytest.raises(UserError, match="it ends here"):
        taken_over()


def test_a_process_that_stood_still_is_taken_over_and_stops(
    folder: Path, start: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_lock, "STALE_AFTER_SECONDS", 0.5)
    first = held(start(HOLDER, folder))
    time.sleep(0.3)
    first.send_signal(signal.SIGSTOP)
    with one_writer(folder) as lock:
        first.send_signal(signal.SIGCONT)
        _, said = first.communicate("\n", timeout=20)
        assert first.returncode == 1
        assert f"another one took over (process {os.getpid()} on {socket.gethostname()})" in said
        lock.check()


def test_a_live_process_is_not_taken_over(
    folder: Path, start: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_lock, "STALE_AFTER_SECONDS", 2.0)
    first = held(start(HOLDER, folder))
    waited = threading.Event()
    thread = threading.Thread(target=lambda: _hold(folder, waited))
    thread.start()
    assert not waited.wait(4)
    first.communicate("\n", timeout=20)
    assert first.returncode == 0
    assert waited.wait(20)
    thread.join()


def _hold(folder: Path, taken: threading.Event) -> None:
    with one_writer(folder):
        taken.set()


def test_a_later_process_of_the_same_number_is_another(folder: Path) -> None:
    """A holder's number may be in use again, also after a reboot."""
    for changes in ({"started": "1"}, {"boot": "an earlier boot"}):
        lock = leave_lock(folder, **(writer_lock._myself() | changes))
        assert (writer_of(folder) is None) == ("started" in changes)
        lock.unlink()
    leave_lock(folder, **(writer_lock._myself() | {"started": "1"}))
    with one_writer(folder):
        pass


def test_the_writer_is_known_while_it_writes(folder: Path) -> None:
    assert writer_of(folder) is None
    with one_writer(folder):
        holder = writer_of(folder)
        assert holder is not None
        assert (holder["host"], holder["process"]) == (socket.gethostname(), os.getpid())
    assert writer_of(folder) is None


def test_a_touch_that_fails_once_is_not_the_last(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network drive may answer anything for a moment; a job of weeks must not lose its folder for that."""
    utime, times = os.utime, []

    def fail_first(path: Path) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        utime(path)

    monkeypatch.setattr(os, "utime", fail_first)
    with one_writer(folder):
        deadline = time.monotonic() + 10
        while len(times) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("step", ["link", "write_text"])
def test_a_disk_that_takes_no_lock_is_one_line_and_nothing_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    def refuse(path: Path, *rest: object, **more: object) -> None:
        if step == "write_text":
            path.touch()
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(*((os, step) if step == "link" else (Path, step)), refuse)
    with pytest.raises(UserError) as caught, one_writer(folder):
        pytest.fail("it was held")
    assert str(caught.value) == (
        f"{folder}: cannot be written ({os.strerror(number)}); make room on that disk, or change who may "
        "write there"
    )
    assert list(folder.parent.iterdir()) == []


# Fills the folder as a job does; the block is short, so that the lock is given up and taken many times.
COMPETITOR = """
import os, sys, time
from pathlib import Path
from othink_mr1.artefacts import writer_lock
writer_lock._POLL_SECONDS = 0.01
folder, log, rounds, fails = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for turn in range(rounds):
    try:
        with writer_lock.one_writer(folder) as lock:
            # O_APPEND: lines of several processes do not mix.
            with open(log, "a") as stream:
                stream.write(f"begin {os.getpid()}\\n")
            time.sleep(0.02)
            lock.check()
            with open(log, "a") as stream:
                stream.write(f"end {os.getpid()}\\n")
            if fails == "fails":
                raise RuntimeError
    except RuntimeError:
        pass
"""


@pytest.mark.parametrize("ending", ["done", "fails"])
def test_eight_processes_write_one_after_the_other(
    folder: Path, tmp_path: Path, start: Callable[..., subprocess.Popen[str]], ending: str
) -> None:
    log = tmp_path / "log"
    running = [start(COMPETITOR, folder, log, 3, ending) for _ in range(8)]
    for process in running:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len(lines) == 2 * 8 * 3
    for begin, end in zip(lines[::2], lines[1::2], strict=True):
        assert (begin[0], end[0]) == ("begin", "end")
        assert begin[1] == end[1]
    assert {line[1] for line in lines} == {str(process.pid) for process in running}
    assert len(locks(folder)) == (0 if ending == "done" else 1)
