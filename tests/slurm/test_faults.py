"""Whatever happens to a training's job, the study completes, with the same weights to the bit.

Each fault really happens, while the run trains. What the user then has to type is in slurm/README.md.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_study import (
    LONG_STEP_SECONDS,
    SECONDS,
    STEP_SECONDS,
    STEPS,
    THREADS,
    SlurmStudy,
    arguments_for,
    run_name,
)

import warm_python
from othink_mr1.tools.status import training_status
from run_contents import assert_same
from slurm_cluster import SlurmCluster
from snakemake_runs import copy_repository, run_snakemake

pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a local run that nothing disturbed."""
    checkout = copy_repository(tmp_path_factory.mktemp("undisturbed"))
    variables = THREADS | warm_python.variables()
    done = run_snakemake(checkout, arguments_for(STEPS), timeout=SECONDS, variables=variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return checkout / "results" / "smoke"


@pytest.fixture
def made(tmp_path: Path, cluster: SlurmCluster, undisturbed: Path) -> Iterator[SlurmStudy]:
    """A study of which only the run is missing."""
    yield SlurmStudy(tmp_path / "checkout", cluster, undisturbed, warning_seconds=10)
    cluster.cancel_all()  # of a test that failed


@pytest.fixture
def study(made: SlurmStudy) -> SlurmStudy:
    """The run takes a quarter of a minute, unless it hurries."""
    made.slow_down(STEP_SECONDS)
    return made


@pytest.fixture
def long_study(made: SlurmStudy) -> SlurmStudy:
    """The run takes more than a minute, unless it hurries."""
    made.slow_down(LONG_STEP_SECONDS)
    return made


def finish_quickly(study: SlurmStudy, process: subprocess.Popen[str]) -> None:
    """Let the run hurry when it goes on after the fault, and wait for its end."""
    study.wait_until(process, lambda: study.has_resumed(STEPS))
    study.hurry()
    study.finish(process)


def assert_went_on(study: SlurmStudy, undisturbed: Path) -> None:
    """The run was interrupted, went on from a saved state, and is the same as one that was not."""
    attempts = study.attempts(STEPS)
    assert len(attempts) > 1
    assert all(attempt["after_step"] > 0 for attempt in attempts[1:])
    assert_same_run(study, undisturbed)


def assert_same_run(study: SlurmStudy, undisturbed: Path) -> None:
    run = Path("runs", run_name(STEPS))
    assert_same(study.results / run, undisturbed / run)
    assert not list(study.results.glob("runs/.*.states"))


def test_scancel(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started(STEPS) as process:
        study.wait_until(process, lambda: study.is_training(STEPS))
        job = study.job(STEPS)
        assert (job["partition"], job["gpus"]) == ("gpu", "gres:gpu:1")
        status = training_status(study.results / "runs" / run_name(STEPS), STEPS)
        assert (status.state, status.node, status.job) == ("training", job["node"], job["id"])
        study.cluster.run("scancel", job["id"])
        finish_quickly(study, process)
    assert [job["state"] for job in study.jobs(STEPS)].count("CANCELLED") == 1
    assert_went_on(study, undisturbed)


def test_ctrl_c(study: SlurmStudy, undisturbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for this process to come in between two checks, also when the machine is busy.
    monkeypatch.setitem(THREADS, "PAUSE_SECONDS", "4")
    with study.started(STEPS) as process:
        study.wait_until(process, lambda: study.is_training(STEPS))
        # While it asks Slurm about its jobs, Snakemake knows of none that it could cancel.
        asked = study.checkout / ".snakemake" / "asked"
        asked.unlink(missing_ok=True)
        study.wait_until(process, asked.exists)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(SECONDS) != 0
    with study.started(STEPS) as process:
        finish_quickly(study, process)
    assert [job["state"] for job in study.jobs(STEPS)].count("CANCELLED") == 1
    assert_went_on(study, undisturbed)


def test_snakemake_killed_and_started_again_while_its_job_runs(
    long_study: SlurmStudy, undisturbed: Path
) -> None:
    with long_study.started(STEPS) as process:
        long_study.wait_until(process, lambda: long_study.is_training(STEPS))
        process.kill()
        process.wait()
    refused = long_study.run(STEPS)
    assert refused.returncode == 1
    assert "--unlock" in refused.stdout + refused.stderr
    assert long_study.run(STEPS, "--unlock").returncode == 0
    job = long_study.job(STEPS)  # still trains
    with long_study.started(STEPS) as process:
        waits = f"{run_name(STEPS)}: is being written by process"
        long_study.wait_until(process, lambda: waits in long_study.log(STEPS))
        assert f"Slurm job {job['id']} on {job['node']}; waiting until that is done" in long_study.log(STEPS)
        long_study.hurry()
        long_study.finish(process)
    assert len(long_study.jobs(STEPS)) == 2
    assert len(long_study.attempts(STEPS)) == 1  # the second job found it done
    assert_same_run(long_study, undisturbed)


def test_preemption(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started(STEPS) as process:
        study.wait_until(process, lambda: study.is_training(STEPS))
        everything = ["--nodes=2", "--ntasks=2", "--gres=gpu:8", "--cpus-per-task=16"]
        study.cluster.run(
            "sbatch", "-p", "gpuhi", *everything, "--output=/dev/null", "--wrap=sleep 5", "--time=1"
        )
        finish_quickly(study, process)
    assert len(study.jobs(STEPS)) == 1  # Slurm itself started it again
    assert_went_on(study, undisturbed)


def test_a_node_dies(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started(STEPS) as process:
        study.wait_until(process, lambda: study.is_training(STEPS))
        node = study.job(STEPS)["node"]
        study.cluster.kill_node(node)
        try:
            finish_quickly(study, process)
        finally:
            study.cluster.start_node(node)
    assert [job["node"] for job in study.jobs(STEPS)] == [{"gpu1": "gpu2", "gpu2": "gpu1"}[node]]
    assert_went_on(study, undisturbed)


def test_a_node_is_taken_for_dead_while_its_job_goes_on(long_study: SlurmStudy, undisturbed: Path) -> None:
    with long_study.started(STEPS) as process:
        long_study.wait_until(process, lambda: long_study.is_training(STEPS))
        node = long_study.job(STEPS)["node"]
        long_study.cluster.kill_daemon(node)
        try:
            # The node is down for Slurm, and the job's successor on the other node finds the run locked.
            waits = f"{run_name(STEPS)}: is being written by process"
            long_study.wait_until(process, lambda: waits in long_study.log(STEPS))
            long_study.hurry()
            long_study.finish(process)
        finally:
            long_study.cluster.start_node(node)
    assert len(long_study.attempts(STEPS)) == 1  # of two jobs one trained
    assert_same_run(long_study, undisturbed)


def test_the_time_limit(long_study: SlurmStudy, undisturbed: Path) -> None:
    with long_study.started(STEPS, "--set-resources", "train_sft:runtime=attempt") as process:
        finish_quickly(long_study, process)
    assert len(long_study.jobs(STEPS)) > 1
    assert_went_on(long_study, undisturbed)
