"""One Snakemake per results folder: a second one ends with a line, a dead one's place is taken."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from othink_mr1.artefacts import writer_lock
from othink_mr1.artefacts.one_snakemake import hold_results
from othink_mr1.errors import UserError

# Holds the results until its input ends, as Snakemake does until it ends.
HOLDER = """
import sys
from pathlib import Path
from othink_mr1.artefacts.one_snakemake import hold_results
hold_results(Path(sys.argv[1]))
print("holds", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_lock, "_POLL_SECONDS", 0.02)
    # What is held by these tests is given up with their process.
    monkeypatch.setattr("atexit.register", lambda release, done: release(done=done))


def held(results: Path) -> subprocess.Popen[str]:
    """A process that holds the results."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(results)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


def locks(results: Path) -> list[str]:
    return sorted(path.name for path in results.iterdir())


def test_a_second_one_ends_at_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = held(tmp_path)
    started = time.monotonic()
    with pytest.raises(UserError) as refused:
        hold_results(tmp_path)
    assert time.monotonic() - started < 1
    name = f"process {first.pid} on {socket.gethostname()}"
    assert str(refused.value) == (
        f"{tmp_path}: another snakemake is at work here ({name}); wait until it has ended, or set "
        "`results` to another folder"
    )
    assert locks(tmp_path) == [".snakemake.writer.1"]
    # After it has ended in order nothing is left of it.
    first.communicate("\n", timeout=20)
    assert locks(tmp_path) == []
    hold_results(tmp_path)
    assert capfd.readouterr().err == ""


def test_a_killed_ones_place_is_taken(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first = held(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=20)
    assert locks(tmp_path) == [".snakemake.writer.1"]
    hold_results(tmp_path)
    assert f"goes on after process {first.pid} on" in capfd.readouterr().err


@pytest.mark.parametrize("lives", [True, False])
def test_of_another_machine_it_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], lives: bool
) -> None:
    monkeypatch.setattr(writer_lock, "STALE_AFTER_SECONDS", 1.0)
    file = tmp_path / ".snakemake.writer.1"
    elsewhere = {"host": "login2", "process": 1, "boot": "another machine's", "namespace": "pid:[1]"}
    file.write_text(json.dumps(elsewhere))
    touch = threading.Timer(0.5, lambda: os.utime(file, (1e9, 1e9)))
    if lives:
        touch.start()
        with pytest.raises(UserError, match="another snakemake is at work here"):
            hold_results(tmp_path)
        touch.join()
    else:
        hold_results(tmp_path)
    said = capfd.readouterr().err
    assert "is being written by process 1 on login2; looking whether it still lives" in said
    assert ("goes on after" in said) is not lives


def test_results_that_nobody_made_yet_and_another_folder_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_the_end = []
    monkeypatch.setattr("atexit.register", lambda release, done: at_the_end.append(release))
    monkeypatch.chdir(tmp_path)
    hold_results(Path("results/mini"))
    assert locks(tmp_path / "results" / "mini") == [".snakemake.writer.1"]
    # As with snakemake --directory.
    monkeypatch.chdir("/")
    at_the_end[0](done=True)
    assert locks(tmp_path / "results" / "mini") == []
