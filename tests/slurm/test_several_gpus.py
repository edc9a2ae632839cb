"""One training on several GPUs of Slurm's: on one node and on two, told to end, and when a process dies."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from slurm_study import (
    EXECUTION,
    SECONDS,
    STEP_SECONDS,
    STEPS,
    THREADS,
    SlurmStudy,
    arguments_for,
    manifest_of,
)

import warm_python
from slurm_cluster import SlurmCluster, variable_of
from snakemake_runs import copy_repository, run_snakemake

pytestmark = pytest.mark.smoke

FEW = 8  # steps of a run that nothing disturbs


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which one process has trained a run of a FEW steps."""
    checkout = copy_repository(tmp_path_factory.mktemp("alone"))
    variables = THREADS | warm_python.variables()
    done = run_snakemake(checkout, arguments_for(FEW), timeout=SECONDS, variables=variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return checkout


@pytest.fixture
def study(tmp_path: Path, cluster: SlurmCluster, alone: Path) -> Iterator[SlurmStudy]:
    made = alone / "results" / "smoke"
    yield SlurmStudy(tmp_path / "checkout", cluster, made, warning_seconds=10)
    cluster.cancel_all()  # of a test that failed


def ask_for(study: SlurmStudy, gpus: int, nodes: int) -> None:
    study.execution = {"train": {**EXECUTION["train"], "gpus": gpus, "nodes": nodes}}


def metrics(checkout: Path, steps: int) -> pd.DataFrame:
    return pd.read_csv((checkout / manifest_of(steps)).with_name("metrics.csv")).drop(columns="seconds")


def processes(study: SlurmStudy) -> dict[str, int]:
    """The rank of each process of a training that has joined the others -> its number."""
    numbers = study.cluster.own_processes()
    return {rank: number for number in numbers if (rank := variable_of(number, "RANK")) is not None}


@pytest.mark.parametrize(("gpus", "nodes", "names"), [(2, 1, "gpu1"), (2, 2, "gpu[1-2]")])
def test_the_numbers_are_those_of_one_process(
    study: SlurmStudy, alone: Path, gpus: int, nodes: int, names: str
) -> None:
    ask_for(study, gpus, nodes)
    with study.started(FEW) as process:
        study.finish(process)
    (job,) = study.jobs(FEW)
    assert (job["node"], job["gpus"]) == (names, f"gres:gpu:{gpus * nodes}")
    pd.testing.assert_frame_equal(metrics(study.checkout, FEW), metrics(alone, FEW), rtol=1e-5, atol=1e-6)
    (attempt,) = study.attempts(FEW)
    assert (attempt["execution"]["gpus"], attempt["execution"]["nodes"]) == (gpus, nodes)


def test_a_signal_before_the_limit_stops_all_and_keeps_the_state(study: SlurmStudy) -> None:
    ask_for(study, 1, 2)
    study.slow_down(STEP_SECONDS)
    with study.started(STEPS) as process:
        study.wait_until(process, lambda: study.is_training(STEPS))
        study.cluster.run("scancel", "--signal=URG", study.job(STEPS)["id"])  # as --signal=URG@300 does
        study.wait_until(process, lambda: study.has_resumed(STEPS))
        study.hurry()
        study.finish(process)
    first, second = study.attempts(STEPS)
    assert first["after_step"] == 0 < second["after_step"]
    assert "not_to_the_bit" not in second
    assert list(metrics(study.checkout, STEPS).step) == list(range(1, STEPS + 1))


def test_a_process_that_dies_ends_the_job(study: SlurmStudy) -> None:
    ask_for(study, 2, 1)
    study.slow_down(STEP_SECONDS)
    with study.started(STEPS, "--retries", "0") as process:
        study.wait_until(process, lambda: study.is_training(STEPS))
        ranks = processes(study)
        assert set(ranks) == {"0", "1"}
        os.kill(ranks["1"], signal.SIGKILL)
        assert process.wait(60) != 0
    assert "task 1: Killed" in study.log(STEPS)
    assert not any(Path(f"/proc/{number}").exists() for number in ranks.values())


def test_without_slurm_several_nodes_are_refused(alone: Path) -> None:
    execution = {"train": {**EXECUTION["train"], "nodes": 2}}
    done = run_snakemake(alone, arguments_for(FEW + 1, execution), variables=THREADS)
    assert done.returncode != 0
    assert "execution.train.nodes: 2, which only --profile slurm can start; set it to 1" in done.stderr
