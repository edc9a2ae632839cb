"""One writer per folder: others wait, a dead one's place is taken, one that was taken for dead stops."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import SoftFileLease

from othink_mr1.artefacts import one_writer as module
from othink_mr1.artefacts.one_writer import hold_results, one_writer, writer_of
from othink_mr1.errors import UserError

# A process that holds the folder's lock: it says so, and waits until its input ends.
HOLDER = """
import socket, sys
from pathlib import Path
folder, lease, host = Path(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
if host:
    socket.gethostname = lambda: host
from othink_mr1.artefacts import one_writer as module
from othink_mr1.errors import UserError
module._POLL_SECONDS, module.HEARTBEAT_SECONDS, module.LEASE_SECONDS = 0.02, 0.05, lease
with module.one_writer(folder) as lock:
    print("holds", flush=True)
    sys.stdin.readline()
    try:
        lock.check()
    except UserError as error:
        sys.exit(f"error: {error}")
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def start() -> Iterator[Start]:
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


def held(start: Start, folder: Path, host: str = "") -> subprocess.Popen[str]:
    """A process that has the lock; as one of another machine if host is given."""
    process = start(HOLDER, folder, module.LEASE_SECONDS, host)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n", process.communicate()
    return process


def left(start: Start, folder: Path, host: str = "") -> subprocess.Popen[str]:
    """One that was killed, and left its lock."""
    process = held(start, folder, host)
    process.kill()
    process.wait()
    return process


@contextmanager
def waiting(folder: Path) -> Iterator[threading.Event]:
    """A thread that waits for the lock in the background; the event is set when it has it."""
    taken = threading.Event()

    def second() -> None:
        with one_writer(folder):
            taken.set()

    thread = threading.Thread(target=second)
    thread.start()
    yield taken
    thread.join()


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.parent.iterdir() if path.name.startswith("."))


def test_the_second_waits_and_takes_over_when_the_first_is_killed(
    folder: Path, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    first = held(start, folder)
    with waiting(folder) as taken:
        assert not taken.wait(0.5)
        first.kill()
        first.wait()
        killed = time.monotonic()
        assert taken.wait(20)
        assert time.monotonic() - killed < 10 < module.LEASE_SECONDS
    name = f"process {first.pid} on {socket.gethostname()}"
    assert capfd.readouterr().err.splitlines() == [
        f"{folder}: is being written by {name}; waiting until that is done",
        f"{folder}: goes on after {name}, which has ended",
    ]
    assert hidden(folder) == []


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
    assert hidden(folder) == []
    assert capfd.readouterr().err == ""


def test_another_machines_lock_is_taken_when_nobody_touches_it(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "SAY_EVERY_SECONDS", 0.3)
    monkeypatch.setattr(module, "LEASE_SECONDS", 2.0)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    first = left(start, folder, "node7")
    monkeypatch.delenv("SLURM_JOB_ID")
    file = folder.with_name(".run.writer")
    until = time.monotonic() + 3.0

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
    *waiting, last = capfd.readouterr().err.splitlines()
    name = f"process {first.pid} on node7, Slurm job 4711"
    assert len(waiting) > 5
    assert set(waiting) == {f"{folder}: is being written by {name}; waiting until that is done"}
    assert last == f"{folder}: goes on after {name}, which has ended"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff"])
def test_a_damaged_lock_is_taken_in_time(
    folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.5)
    if not content:  # the others are filelock's own to take, after two seconds
        monkeypatch.setattr(module, "NAMELESS_SECONDS", 1.0)
    folder.with_name(".run.writer").write_bytes(content)
    with one_writer(folder) as lock:
        lock.check()


def test_a_process_that_stood_still_is_taken_over_and_stops(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 0.5)
    first = held(start, folder, "node7")
    time.sleep(0.3)
    first.send_signal(signal.SIGSTOP)
    with one_writer(folder) as lock:
        first.send_signal(signal.SIGCONT)
        _, said = first.communicate("\n", timeout=20)
        assert first.returncode == 1
        assert f"another one took over (process {os.getpid()} on {socket.gethostname()})" in said
        lock.check()
        assert writer_of(folder) is not None  # the first, when it ended, left the second's lock
    assert hidden(folder) == []


def test_one_whose_lock_is_gone_stops(folder: Path) -> None:
    """The other one has taken over, and is done."""

    def taken_over() -> None:
        with one_writer(folder) as lock:
            folder.with_name(".run.writer").unlink()
            lock.check()

    with pytest.raises(UserError, match="it ends here"):
        taken_over()


def test_a_live_process_is_not_taken_over(
    folder: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 1.5)
    first = held(start, folder, "node7")
    with waiting(folder) as taken:
        assert not taken.wait(4)
        first.communicate("\n", timeout=20)
        assert first.returncode == 0
        assert taken.wait(20)


def test_the_writer_is_known_while_it_writes(folder: Path, start: Start) -> None:
    assert writer_of(folder) is None
    with one_writer(folder):
        holder = writer_of(folder)
        assert holder is not None
        assert (holder["host"], holder["process"]) == (socket.gethostname(), os.getpid())
    assert writer_of(folder) is None
    left(start, folder)
    assert writer_of(folder) is None
    other = folder.with_name("other")
    left(start, other, "node7")
    assert writer_of(other) is not None  # who knows
    os.utime(other.with_name(".other.writer"), (1, 1))
    assert writer_of(other) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("step", ["acquire", "write_json"])
def test_a_disk_that_takes_no_lock_is_one_line_and_nothing_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    def refuse(*_: object, **more: object) -> None:
        raise OSError(number, os.strerror(number), "file")

    monkeypatch.setattr(*((SoftFileLease, step) if step == "acquire" else (module, step)), refuse)
    with pytest.raises(UserError) as caught, one_writer(folder):
        pytest.fail("it was held")
    assert str(caught.value) == (
        f"{folder}: cannot be written ({os.strerror(number)}); make room on that disk, or change who may "
        "write there"
    )
    assert hidden(folder) == []


# Fills the folder as a job does; the block is short, so that the lock is given up and taken many times.
COMPETITOR = """
import os, sys, time
from pathlib import Path
from othink_mr1.artefacts import one_writer as module
module._POLL_SECONDS = 0.01
folder, log, rounds, fails = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
for turn in range(rounds):
    try:
        with module.one_writer(folder) as lock:
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
    folder: Path, tmp_path: Path, start: Start, ending: str
) -> None:
    log, rounds = tmp_path / "log", 5
    processes = [start(COMPETITOR, folder, log, rounds, ending) for _ in range(8)]
    for process in processes:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    lines = [line.split() for line in log.read_text().splitlines()]
    assert len(lines) == 2 * 8 * rounds
    for begin, end in zip(lines[::2], lines[1::2], strict=True):
        assert (begin[0], end[0]) == ("begin", "end")
        assert begin[1] == end[1]
    assert hidden(folder) == []


# Holds the results until its input ends, as Snakemake does until it ends.
SNAKEMAKE = """
import sys
from pathlib import Path
from othink_mr1.artefacts.one_writer import hold_results
hold_results(Path(sys.argv[1]))
print("holds", flush=True)
sys.stdin.readline()
"""


def snakemake(start: Start, results: Path) -> subprocess.Popen[str]:
    process = start(SNAKEMAKE, results)
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


@pytest.fixture
def at_the_end(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    calls: list[Callable[[], None]] = []
    monkeypatch.setattr("atexit.register", calls.append)
    return calls


def test_a_second_snakemake_ends_at_once(
    tmp_path: Path, start: Start, at_the_end: list[Callable[[], None]], capfd: pytest.CaptureFixture[str]
) -> None:
    first = snakemake(start, tmp_path)
    started = time.monotonic()
    with pytest.raises(UserError) as refused:
        hold_results(tmp_path)
    assert time.monotonic() - started < 1
    name = f"process {first.pid} on {socket.gethostname()}"
    assert str(refused.value) == (
        f"{tmp_path}: another snakemake is at work here ({name}); wait until it has ended, or set "
        "`results` to another folder"
    )
    # After it has ended in order nothing is left of it.
    first.communicate("\n", timeout=20)
    assert list(tmp_path.iterdir()) == []
    hold_results(tmp_path)
    assert capfd.readouterr().err == ""
    (release,) = at_the_end
    release()


def test_a_killed_snakemakes_place_is_taken(
    tmp_path: Path, start: Start, at_the_end: list[Callable[[], None]], capfd: pytest.CaptureFixture[str]
) -> None:
    first = snakemake(start, tmp_path)
    first.kill()
    first.wait()
    hold_results(tmp_path)
    assert f"goes on after process {first.pid} on" in capfd.readouterr().err
    at_the_end[0]()


@pytest.mark.parametrize("lives", [True, False])
def test_a_snakemake_of_another_machine_is_watched(
    tmp_path: Path,
    start: Start,
    at_the_end: list[Callable[[], None]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    lives: bool,
) -> None:
    monkeypatch.setattr(module, "LEASE_SECONDS", 1.0)
    other = (held if lives else left)(start, tmp_path / "snakemake", "login2")
    if lives:
        with pytest.raises(UserError, match="another snakemake is at work here"):
            hold_results(tmp_path)
    else:
        hold_results(tmp_path)
        at_the_end[0]()
    said = capfd.readouterr().err
    assert (
        f"is being written by process {other.pid} on login2; checking whether that process is still running"
        in said
    )
    assert ("goes on after" in said) is not lives


def test_a_lock_without_a_name_is_taken_over_long_before_a_lease_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left by a process that was killed before it wrote its name, or by a power loss."""
    monkeypatch.setattr(module, "NAMELESS_SECONDS", 0.5)
    (tmp_path / ".run.writer").touch()
    started = time.monotonic()
    with one_writer(tmp_path / "run"):
        assert 0.5 <= time.monotonic() - started < 10 < module.LEASE_SECONDS


def test_results_that_nobody_made_yet_and_another_folder_at_the_end(
    tmp_path: Path, at_the_end: list[Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    hold_results(Path("results/mini"))
    assert len(hidden(tmp_path / "results/mini/snakemake")) == 2
    # As with snakemake --directory.
    monkeypatch.chdir("/")
    at_the_end[0]()
    assert hidden(tmp_path / "results/mini/snakemake") == []


def test_another_thread_may_check_the_lock_too(folder: Path) -> None:
    """A thread writes a training's states; filelock tells a lease's token only to the one that took it."""
    errors: list[str] = []

    def check() -> None:
        try:
            lock.check()
        except UserError as error:
            errors.append(str(error))

    with one_writer(folder) as lock:
        for _ in range(2):
            thread = threading.Thread(target=check)
            thread.start()
            thread.join()
            folder.with_name(".run.writer").unlink(missing_ok=True)
    assert len(errors) == 1  # only when it was gone
    assert "it ends here" in errors[0]
