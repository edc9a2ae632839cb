"""What the table of `make status` says of folders as trainings leave them."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.one_writer import LEASE_SECONDS, one_writer
from othink_mr1.artefacts.verification import mark_of
from othink_mr1.tools.status import status_table, study_status, training_status
from repository import REPOSITORY, study

STEPS = 10
GRPO = "step,loss,reward,seconds\n1,0.5,0.1,9\n2,0.25,0.75,2\n"


def begun(tmp_path: Path, metrics: str = GRPO) -> Path:
    folder = tmp_path / "counting-grpo-s1-0123456789"
    folder.mkdir()
    mark_of(folder).touch()
    (folder / "metrics.csv").write_text(metrics)
    return folder


def saved(folder: Path, step: int, whole: bool = True) -> None:
    state = folder.with_name(f".{folder.name}.states") / f"step-{step}"
    state.mkdir(parents=True)
    if whole:
        (state / "manifest.json").touch()


def test_a_run_that_has_not_begun_waits(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert training_status(folder, STEPS).state == "waiting"
    folder.mkdir()  # as Snakemake does before it starts the job
    assert training_status(folder, STEPS).state == "waiting"


def test_a_run_that_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURMD_NODENAME", "gpu2")
    folder = begun(tmp_path)
    with one_writer(folder):
        found = training_status(folder, STEPS)
    assert (found.state, found.step, found.node, found.job) == ("training", 2, "gpu2", "17")
    assert (found.reward, found.loss) == (0.75, 0.25)
    assert found.seconds_left == pytest.approx((9 + 2) / 2 * 8)


def test_a_run_that_has_lost_its_manifest_is_damaged(tmp_path: Path) -> None:
    """Its program stops; it does not go on."""
    with filling(tmp_path / "run", {}) as artefact:
        artefact.finish()
    (tmp_path / "run/manifest.json").unlink()
    assert training_status(tmp_path / "run", STEPS).state == "damaged"


def test_metrics_with_a_flipped_byte_end_no_table(tmp_path: Path) -> None:
    csv.field_size_limit(2**17)  # Python's own; reading data sets raises it
    folder = begun(tmp_path, GRPO + '3,"' + 20_000 * "0.1,0.1,9\n")  # all of the rest is in the quotes
    assert training_status(folder, STEPS).state == "interrupted"


def test_a_line_that_is_being_written_is_no_step(tmp_path: Path) -> None:
    folder = begun(tmp_path, GRPO + "3,0.1")
    with one_writer(folder):
        assert training_status(folder, STEPS).step == 2


def test_before_its_first_step_nothing_is_known(tmp_path: Path) -> None:
    folder = begun(tmp_path, "step,loss,reward,seconds\n")
    with one_writer(folder):
        found = training_status(folder, STEPS)
    assert (found.state, found.step, found.seconds_left, found.reward) == ("training", 0, None, None)


def test_an_interrupted_run_goes_on_after_its_newest_whole_state(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    assert (training_status(folder, STEPS).state, training_status(folder, STEPS).step) == ("interrupted", 0)
    saved(folder, 4)
    saved(folder, 12)
    saved(folder, 20, whole=False)
    assert training_status(folder, STEPS).step == 12


def test_a_writer_of_another_machine_that_fell_silent_trains_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = begun(tmp_path)
    monkeypatch.setattr("socket.gethostname", lambda: "another")
    with one_writer(folder):
        monkeypatch.undo()
        assert training_status(folder, STEPS).state == "training"
        (lock,) = folder.parent.glob(".*.writer")
        long_ago = time.time() - LEASE_SECONDS - 60
        os.utime(lock, (long_ago, long_ago))
        assert training_status(folder, STEPS).state == "interrupted"


def test_complete_and_damaged(tmp_path: Path) -> None:
    folder = tmp_path / "counting-sft-s1-0123456789"
    with filling(folder, {"digest": "0123456789"}) as artefact:
        (folder / "metrics.csv").write_text("step,loss,seconds\n10,0.5,1\n")
        (folder / "weights").write_text("weights")
        artefact.finish()
    found = training_status(folder, STEPS)
    assert (found.state, found.step, found.loss, found.reward) == ("complete", STEPS, 0.5, None)
    (folder / "weights").write_text("less")
    assert training_status(folder, STEPS).state == "damaged"


def test_the_table_of_a_study(tmp_path: Path) -> None:
    found = study_status(study("tests/study.yaml", results=str(tmp_path)))
    lines = list(status_table(found))
    assert lines[0].split() == ["run", "state", "step", "left", "reward", "loss", "node", "job", "varied"]
    assert lines[1].split()[1:] == ["waiting", "0/4"]  # the backbone that is pretrained
    assert len(lines) == len(found) + 2
    assert lines[-1] == f"{len(found)} waiting"


def test_it_ends_quietly_when_its_reader_does() -> None:
    """As `make status | head` does."""
    process = subprocess.Popen(
        [sys.executable, REPOSITORY / "workflow_scripts" / "status.py"],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait() == -signal.SIGPIPE
