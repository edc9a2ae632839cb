"""A card of one's own: each job another, none twice, a killed job's free at once. The cards are pretended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from othink_mr1.errors import UserError
from othink_mr1.modeling import own_card
from repository import SCRIPTS

# Takes a card and tells which, has a child that lives on (as workers do), and stays until its input ends.
JOB = """
import os, subprocess, sys
from othink_mr1.modeling import own_card
own_card._POLL_SECONDS = 0.05
own_card.take_card()
print(os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
assert os.environ.get("LOCAL_RANK", "0") == "0"
nowhere = subprocess.DEVNULL
subprocess.Popen(["sleep", "60"], stdin=nowhere, stdout=nowhere, stderr=nowhere)
sys.stdin.readline()
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def job(cards: str | None = "0,1,2,3", **variables: str) -> subprocess.Popen[str]:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(SCRIPTS), "TMPDIR": str(tmp_path)}
        environment |= {} if cards is None else {"CUDA_VISIBLE_DEVICES": cards}
        process = subprocess.Popen(
            [sys.executable, "-c", JOB],
            env=environment | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield job
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def card_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_four_jobs_have_a_card_each_and_a_killed_ones_is_free_at_once(start: Start) -> None:
    jobs = [start() for _ in range(4)]
    cards = [card_of(job) for job in jobs]
    assert sorted(cards) == ["0", "1", "2", "3"]
    fifth = start()
    assert fifth.stderr is not None
    assert fifth.stderr.readline() == "waits for a card: all of 0, 1, 2, 3 are taken\n"
    jobs[2].kill()  # its child lives on
    killed = time.monotonic()
    assert card_of(fifth) == cards[2]
    assert time.monotonic() - killed < 5
    assert fifth.stderr.readline() == f"card {cards[2]} of 0, 1, 2, 3 is this job's\n"


def test_each_process_of_a_run_has_a_card(start: Start) -> None:
    several = {"LOCAL_WORLD_SIZE": "2"}
    jobs = [start("4,5", LOCAL_RANK=str(rank), **several) for rank in range(2)]
    assert {card_of(job) for job in jobs} == {"4", "5"}
    few = start("4", LOCAL_RANK="0", **several)
    _, said = few.communicate()
    assert "execution asks for 2 gpus, but this machine shows 1; lower it" in said


def test_names_as_nvidia_s(start: Start) -> None:
    found = {card_of(start("GPU-8932f937, MIG-a/0 ,")) for _ in range(2)}
    assert found == {"GPU-8932f937", "MIG-a/0"}


def test_slurm_and_a_machine_without_cards_are_left_alone(start: Start, tmp_path: Path) -> None:
    # Slurm calls each job's card 0.
    assert [card_of(start("0", SLURM_JOB_ID="7")) for _ in range(2)] == ["0", "0"]
    assert list(tmp_path.iterdir()) == []
    assert card_of(start("")) == ""
    assert card_of(start(None)) == "None"


def test_a_folder_that_someone_else_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_card.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"othink-mr1-cards-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"othink-mr1-cards-\d+: is another user's"):
        own_card.take_card()
    assert list((tmp_path / "elsewhere").iterdir()) == []
