"""Whatever happens to a training's job, the study completes, with the same weights to the bit.

Each fault really happens, while the run trains. What the user then has to type is in slurm/README.md.
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from slurm_study import (
    LONG_SECONDS,
    SECONDS,
    SHORT,
    THREADS,
    SlurmStudy,
    arguments_for,
    manifest_of,
    run_name,
)

import warm_python
from othink_mr1.tools.status import training_status
from run_contents import assert_same
from slurm_cluster import SlurmCluster
from snakemake_runs import copy_repository, run_snakemake

pytestmark = pytest.mark.smoke


class Undisturbed(NamedTuple):
    results: Path
    long: int  # steps of a run that takes LONG_SECONDS here
    trained: Callable[[int], Path]  # steps -> the folder of the run, which is waited for


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Undisturbed]:
    """Two local runs that nothing disturbed, of SHORT and of `long` steps; the latter while tests begin."""
    checkout = copy_repository(tmp_path_factory.mktemp("undisturbed"))
    results = checkout / "results" / "smoke"

    def train(steps: int) -> None:
        variables = THREADS | warm_python.variables()
        done = run_snakemake(checkout, arguments_for(steps), timeout=SECONDS, variables=variables)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    train(SHORT)
    metrics = pd.read_csv((checkout / manifest_of(SHORT)).with_name("metrics.csv"))
    long = max(2 * SHORT, math.ceil(LONG_SECONDS / metrics["seconds"].median() / 100) * 100)
    with ThreadPoolExecutor(1) as aside:
        training = aside.submit(train, long)

        def trained(steps: int) -> Path:
            if steps == long:
                training.result()
            return results / "runs" / run_name(steps)

        yield Undisturbed(results, long, trained)


@pytest.fixture
def study(tmp_path: Path, cluster: SlurmCluster, undisturbed: Undisturbed) -> Iterator[SlurmStudy]:
    yield SlurmStudy(tmp_path / "checkout", cluster, undisturbed.results, warning_seconds=10)
    cluster.cancel_all()  # of a test that failed


def assert_went_on(study: SlurmStudy, undisturbed: Undisturbed, steps: int) -> None:
    """The run was interrupted, went on from a saved state, and is the same as one that was not."""
    attempts = study.attempts(steps)
    assert len(attempts) > 1
    assert all(attempt["after_step"] > 0 for attempt in attempts[1:])
    assert_same_run(study, undisturbed, steps)


def assert_same_run(study: SlurmStudy, undisturbed: Undisturbed, steps: int) -> None:
    name = run_name(steps)
    assert_same(study.results / "runs" / name, undisturbed.trained(steps))
    assert not list(study.results.glob("runs/.*.states"))


def test_scancel(study: SlurmStudy, undisturbed: Undisturbed) -> None:
    with study.started(SHORT) as process:
        study.wait_until(process, lambda: study.is_training(SHORT))
        job = study.job(SHORT)
        assert (job["partition"], job["gpus"]) == ("gpu", "gres:gpu:1")
        status = training_status(study.results / "runs" / run_name(SHORT), SHORT)
        assert (status.state, status.node, status.job) == ("training", job["node"], job["id"])
        study.cluster.run("scancel", job["id"])
        study.finish(process)
    assert [job["state"] for job in study.jobs(SHORT)].count("CANCELLED") == 1
    assert_went_on(study, undisturbed, SHORT)


def test_ctrl_c(study: SlurmStudy, undisturbed: Undisturbed, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for this process to come in between two checks, also when the machine is busy.
    monkeypatch.setitem(THREADS, "PAUSE_SECONDS", "4")
    with study.started(SHORT) as process:
        study.wait_until(process, lambda: study.is_training(SHORT))
        # While it asks Slurm about its jobs, Snakemake knows of none that it could cancel.
        asked = study.checkout / ".snakemake" / "asked"
        asked.unlink(missing_ok=True)
        study.wait_until(process, asked.exists)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(SECONDS) != 0
    with study.started(SHORT) as process:
        study.finish(process)
    assert [job["state"] for job in study.jobs(SHORT)].count("CANCELLED") == 1
    assert_went_on(study, undisturbed, SHORT)


def test_snakemake_killed_and_started_again_while_its_job_runs(
    study: SlurmStudy, undisturbed: Undisturbed
) -> None:
    long = undisturbed.long
    with study.started(long) as process:
        study.wait_until(process, lambda: study.is_training(long))
        process.kill()
        process.wait()
    refused = study.run(long)
    assert refused.returncode == 1
    assert "--unlock" in refused.stdout + refused.stderr
    assert study.run(long, "--unlock").returncode == 0
    job = study.job(long)  # still trains
    with study.started(long) as process:
        waits = f"{run_name(long)}: is being written by process"
        study.wait_until(process, lambda: waits in study.log(long))
        assert f"Slurm job {job['id']} on {job['node']}; waiting until that is done" in study.log(long)
        study.finish(process)
    assert len(study.jobs(long)) == 2
    assert len(study.attempts(long)) == 1  # the second job found it done
    assert_same_run(study, undisturbed, long)


def test_preemption(study: SlurmStudy, undisturbed: Undisturbed) -> None:
    with study.started(SHORT) as process:
        study.wait_until(process, lambda: study.is_training(SHORT))
        everything = ["--nodes=2", "--ntasks=2", "--gres=gpu:8", "--cpus-per-task=16"]
        study.cluster.run(
            "sbatch", "-p", "gpuhi", *everything, "--output=/dev/null", "--wrap=sleep 5", "--time=1"
        )
        study.finish(process)
    assert len(study.jobs(SHORT)) == 1  # Slurm itself started it again
    assert_went_on(study, undisturbed, SHORT)


def test_a_node_dies(study: SlurmStudy, undisturbed: Undisturbed) -> None:
    with study.started(SHORT) as process:
        study.wait_until(process, lambda: study.is_training(SHORT))
        node = study.job(SHORT)["node"]
        study.cluster.kill_node(node)
        try:
            study.finish(process)
        finally:
            study.cluster.start_node(node)
    assert [job["node"] for job in study.jobs(SHORT)] == [{"gpu1": "gpu2", "gpu2": "gpu1"}[node]]
    assert_went_on(study, undisturbed, SHORT)


def test_a_node_is_taken_for_dead_while_its_job_goes_on(study: SlurmStudy, undisturbed: Undisturbed) -> None:
    long = undisturbed.long
    with study.started(long) as process:
        study.wait_until(process, lambda: study.is_training(long))
        node = study.job(long)["node"]
        study.cluster.kill_daemon(node)
        try:
            # The node is down for Slurm, and the job's successor on the other node finds the run locked.
            waits = f"{run_name(long)}: is being written by process"
            study.wait_until(process, lambda: waits in study.log(long))
            study.finish(process)
        finally:
            study.cluster.start_node(node)
    assert len(study.attempts(long)) == 1  # of two jobs one trained
    assert_same_run(study, undisturbed, long)


def test_the_time_limit(study: SlurmStudy, undisturbed: Undisturbed) -> None:
    long = undisturbed.long
    with study.started(long, "--set-resources", "train_sft:runtime=attempt") as process:
        study.finish(process)
    assert len(study.jobs(long)) > 1
    assert_went_on(study, undisturbed, long)
