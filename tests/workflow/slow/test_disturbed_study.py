"""Snakemake is stopped, killed, or started twice on one results folder: the results are the same."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import warm_python
from run_contents import assert_same
from snakemake_runs import copy_repository, run_snakemake

pytestmark = pytest.mark.smoke

TARGET = "results/smoke/learning_curves.csv"
# So long that a signal comes while they train.
LONGER = "methods={sft: {steps: 40}, grpo: {steps: 30}}"
ARGUMENTS = ["--configfile", "tests/study.yaml", "--cores", "2", TARGET, "--config", LONGER]
SECONDS = 300
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a study that nothing disturbed."""
    checkout = copy_repository(tmp_path_factory.mktemp("undisturbed"))
    variables = ENVIRONMENT | warm_python.variables()
    done = run_snakemake(checkout, ARGUMENTS, timeout=SECONDS, variables=variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return checkout / "results" / "smoke"


def assert_same_study(results: Path, undisturbed: Path) -> None:
    folders = [path.parent for path in undisturbed.glob("*/**/manifest.json")]
    assert len({folder.relative_to(undisturbed).parts[0] for folder in folders}) == 5
    for folder in folders:
        assert_same(results / folder.relative_to(undisturbed), folder)
    scores = list(undisturbed.glob("scores/*/*/*.csv"))
    assert scores
    for file in (*scores, undisturbed / "learning_curves.csv"):
        assert (results / file.relative_to(undisturbed)).read_bytes() == file.read_bytes()
    assert not list(results.glob("runs/.*.states"))


def started(checkout: Path, **variables: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "snakemake"), *ARGUMENTS],
        cwd=checkout,
        env={key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ} | ENVIRONMENT | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def signalled(checkout: Path, number: int, when: Callable[[], bool]) -> None:
    """Start the study, and send a signal to Snakemake and its jobs when something has come about."""
    process = started(checkout)
    deadline = time.monotonic() + SECONDS
    try:
        while not when():
            if process.poll() is not None:
                pytest.fail(f"it ended before: {process.communicate()[1].decode()[-4000:]}")
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.communicate(timeout=60)


def test_stopped_and_killed_it_goes_on_to_the_bit(undisturbed: Path, tmp_path: Path) -> None:
    checkout = copy_repository(tmp_path)
    results = checkout / "results" / "smoke"

    def training_began() -> bool:
        return any(results.glob("runs/.*.states/step-*"))

    def generation_began() -> bool:
        # Those of a training, so that it was trained to its end.
        for path in results.glob("answers/geometry-*/*/.answered.jsonl"):
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_size > 0:
                    return True
        return False

    signalled(checkout, signal.SIGINT, training_began)
    logs = "".join(path.read_text() for path in results.glob("logs/train_*/*.log"))
    assert "ended by SIGINT: the state after step" in logs
    # After Ctrl-C the same command goes on.
    signalled(checkout, signal.SIGKILL, generation_began)
    refused = run_snakemake(checkout, ARGUMENTS)
    assert refused.returncode == 1
    assert "--unlock" in refused.stdout + refused.stderr
    assert run_snakemake(checkout, [*ARGUMENTS, "--unlock"]).returncode == 0
    variables = ENVIRONMENT | warm_python.variables()
    done = run_snakemake(checkout, ARGUMENTS, timeout=SECONDS, variables=variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert_same_study(results, undisturbed)
    assert "Nothing to be done" in run_snakemake(checkout, ARGUMENTS).stderr


def test_two_snakemakes_on_one_results_folder(undisturbed: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    checkouts = [copy_repository(tmp_path / name) for name in ("one", "other")]
    for checkout in checkouts:
        (checkout / "results").symlink_to(shared)
    variables = warm_python.variables()
    processes = [started(checkout, **variables) for checkout in checkouts]
    errors = [process.communicate(timeout=SECONDS)[1].decode() for process in processes]
    # Whichever was first. Snakemake itself would have let both in, as they have two working directories.
    codes = [process.returncode for process in processes]
    assert sorted(codes) == [0, 1], errors[0][-4000:] + errors[1][-4000:]
    error = errors[codes.index(1)]
    assert "error: results/smoke: another snakemake is at work here (process " in error
    assert "Traceback" not in error
    assert_same_study(shared / "smoke", undisturbed)
    for checkout in checkouts:
        assert "Nothing to be done" in run_snakemake(checkout, ARGUMENTS).stderr
