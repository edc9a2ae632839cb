"""Whatever happens to a training's job, the study completes, with the same weights to the bit.

Each fault really happens, while the run trains. What the user then has to type is in slurm/README.md.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from slurm_study import SECONDS, THREADS, SlurmStudy, arguments_for, manifest_of, run_name

from run_contents import assert_same
from slurm_cluster import SlurmCluster
from snakemake_runs import copy_repository, run_snakemake

pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a local run that nothing disturbed."""
    checkout = copy_repository(tmp_path_factory.mktemp("undisturbed"))
    targets = arguments_for(manifest_of("sft"), manifest_of("grpo"))
    # Their one GPU each would make them wait for each other; the cluster's does not.
    threads = ["--set-threads", "train_sft=1", "train_grpo=1"]
    done = run_snakemake(checkout, [*targets, *threads], timeout=SECONDS, variables=THREADS)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return checkout / "results" / "smoke"


@pytest.fixture
def study(tmp_path: Path, cluster: SlurmCluster, undisturbed: Path) -> SlurmStudy:
    return SlurmStudy(tmp_path / "checkout", cluster, undisturbed, warning_seconds=10)


def assert_went_on(study: SlurmStudy, undisturbed: Path, method: str) -> None:
    """The run was interrupted, went on from a saved state, and is the same as one that was not."""
    attempts = study.attempts(method)
    assert len(attempts) > 1
    assert all(attempt["after_step"] > 0 for attempt in attempts[1:])
    assert_same_run(study, undisturbed, method)


def assert_same_run(study: SlurmStudy, undisturbed: Path, method: str) -> None:
    name = run_name(method)
    assert_same(study.results / "runs" / name, undisturbed / "runs" / name)
    assert not list(study.results.glob("runs/.*.states"))


def test_scancel(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started("grpo") as process:
        study.wait_until(process, lambda: study.is_training("grpo"))
        job = study.job("grpo")
        assert (job["partition"], job["gpus"]) == ("gpu", "gres:gpu:1")
        study.cluster.run("scancel", job["id"])
        study.finish(process)
    assert [job["state"] for job in study.jobs("grpo")].count("CANCELLED") == 1
    assert_went_on(study, undisturbed, "grpo")


def test_ctrl_c(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started("grpo") as process:
        study.wait_until(process, lambda: study.is_training("grpo"))
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(SECONDS) != 0
    with study.started("grpo") as process:
        study.finish(process)
    assert_went_on(study, undisturbed, "grpo")


def test_snakemake_killed_and_started_again_while_its_job_runs(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started("sft") as process:
        study.wait_until(process, lambda: study.is_training("sft"))
        process.kill()
        process.wait()
    refused = study.run()
    assert refused.returncode == 1
    assert "--unlock" in refused.stdout + refused.stderr
    assert study.run("--unlock").returncode == 0
    assert study.job("sft")  # still trains
    with study.started("sft") as process:
        log = study.results / "logs" / "train_sft" / f"{run_name('sft')}.log"
        waits = f"Slurm job {study.job('sft')['id']} on gpu"
        study.wait_until(process, lambda: waits in log.read_text(errors="replace"))
        assert "is being written by" in log.read_text(errors="replace")
        study.finish(process)
    assert len(study.jobs("sft")) == 2
    assert len(study.attempts("sft")) == 1  # the second job found it done
    assert_same_run(study, undisturbed, "sft")


def test_preemption(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started("grpo") as process:
        study.wait_until(process, lambda: study.is_training("grpo"))
        everything = ["--nodes=2", "--ntasks=2", "--gres=gpu:8", "--cpus-per-task=16"]
        study.cluster.run(
            "sbatch", "-p", "gpuhi", *everything, "--output=/dev/null", "--wrap=sleep 5", "--time=1"
        )
        study.finish(process)
    assert len(study.jobs("grpo")) == 1  # Slurm itself started it again
    assert_went_on(study, undisturbed, "grpo")


def test_a_node_dies(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started("grpo") as process:
        study.wait_until(process, lambda: study.is_training("grpo"))
        node = study.job("grpo")["node"]
        study.cluster.kill_node(node)
        try:
            study.finish(process)
        finally:
            study.cluster.start_node(node)
    assert [job["node"] for job in study.jobs("grpo")] == [{"gpu1": "gpu2", "gpu2": "gpu1"}[node]]
    assert_went_on(study, undisturbed, "grpo")


def test_a_node_is_taken_for_dead_while_its_job_goes_on(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started("sft") as process:
        study.wait_until(process, lambda: study.is_training("sft"))
        node = study.job("sft")["node"]
        study.cluster.kill_daemon(node)
        try:
            study.finish(process)
        finally:
            study.cluster.start_node(node)
    assert len(study.attempts("sft")) == 1  # of two jobs one trained
    assert_same_run(study, undisturbed, "sft")


def test_the_time_limit(study: SlurmStudy, undisturbed: Path) -> None:
    with study.started("sft", "--set-resources", "train_sft:runtime=attempt") as process:
        study.finish(process)
    assert len(study.jobs("sft")) > 1
    assert_went_on(study, undisturbed, "sft")
