"""The paper's exhibits at smoke size by `snakemake --profile slurm`: the results are the local run's."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

import pytest
from slurm_study import IMPATIENT_SNAKEMAKE, THREADS

import warm_python
from run_contents import assert_same
from slurm_cluster import SlurmCluster, variable_of
from snakemake_runs import copy_repository, run_snakemake

pytestmark = pytest.mark.smoke

SECONDS = 600
DEVICE_RULES = ("rule_pretrain", "rule_train", "rule_generate")
# What needs every rule that a cluster runs. The smoke study has a further study, which would only take time.
FIGURES = [f"results/smoke/figures/figure{number}.svg" for number in range(1, 9)]
CARDS = [f"results/smoke/data/{task}.md" for task in ("counting", "geometry")]
TARGETS = [*FIGURES, *CARDS, "results/smoke/claims.csv"]
EXECUTION = {stage: {"gpus": 1} for stage in ("pretrain", "train", "generate")}
ARGUMENTS = [
    *("--configfile", "tests/study.yaml", "--cores", "2", *TARGETS),
    *("--config", f"execution={json.dumps(EXECUTION)}"),
]


class Finished(NamedTuple):
    results: Path
    jobs: list[dict[str, str]]  # as Slurm listed them
    devices: dict[str, str]  # Slurm job -> the GPUs that its training was told of
    output: str


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = copy_repository(tmp_path_factory.mktemp("local"))
    variables = THREADS | warm_python.variables()  # by Slurm, Python starts as it does for users
    done = run_snakemake(checkout, ARGUMENTS, timeout=SECONDS, variables=variables)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return checkout / "results" / "smoke"


@pytest.fixture(scope="module")
def by_slurm(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    checkout = copy_repository(tmp_path_factory.mktemp("by-slurm"))
    before = {job["id"] for job in cluster.jobs("all")}
    often = ["--slurm-init-seconds-before-status-checks", "2"]
    process = subprocess.Popen(
        [*IMPATIENT_SNAKEMAKE, *ARGUMENTS, "--profile", "slurm", *often],
        cwd=checkout,
        env={"HOME": os.environ.get("HOME", "/"), **cluster.environment, **THREADS},
        stdout=(checkout / "output").open("w"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    devices = {}
    deadline = time.monotonic() + SECONDS
    try:
        while process.poll() is None:
            assert time.monotonic() < deadline, (checkout / "output").read_text()[-4000:]
            for number in cluster.own_processes():
                if (found := variable_of(number, "CUDA_VISIBLE_DEVICES")) is not None:
                    devices[variable_of(number, "SLURM_JOB_ID") or ""] = found
            time.sleep(0.5)
    finally:
        process.kill()
        process.wait()
    output = (checkout / "output").read_text()
    assert process.returncode == 0, output[-4000:]
    jobs = [job for job in cluster.jobs("all") if job["id"] not in before]
    return Finished(checkout / "results" / "smoke", jobs, devices, output)


def test_the_results_are_the_local_ones(local: Path, by_slurm: Finished) -> None:
    folders = [path.parent.relative_to(local) for path in local.glob("*/**/manifest.json")]
    assert {folder.parts[0] for folder in folders} == {"raw", "data", "backbones", "runs", "answers"}
    for folder in folders:
        assert_same(by_slurm.results / folder, local / folder)
    files = [path.relative_to(local) for path in (*local.glob("scores/*/*/*.csv"), *local.glob("*.csv"))]
    assert len(files) > 10
    for file in files:
        if file.name not in ("runs.csv", "reward_curves.csv"):  # they hold seconds; their runs are equal
            assert (by_slurm.results / file).read_bytes() == (local / file).read_bytes(), file
    pictures = [path.relative_to(local) for path in local.glob("figures/*.*")]
    assert pictures
    assert all((by_slurm.results / picture).stat().st_size > 0 for picture in pictures)


def test_partitions_and_gpus_are_as_configured(by_slurm: Finished) -> None:
    on_gpus = [job for job in by_slurm.jobs if job["comment"].startswith(DEVICE_RULES)]
    others = [job for job in by_slurm.jobs if job not in on_gpus]
    assert {(job["partition"], job["gpus"]) for job in on_gpus} == {("gpu", "gres:gpu:1")}
    assert {(job["partition"], job["gpus"]) for job in others} == {("cpu", "N/A")}
    seen = {job["id"]: by_slurm.devices[job["id"]] for job in on_gpus if job["id"] in by_slurm.devices}
    assert len(seen) > len(on_gpus) / 2  # looked at twice a second
    assert all(devices.isdecimal() for devices in seen.values())  # one GPU each
    assert not by_slurm.devices.keys() & {job["id"] for job in others}


def test_downloads_tables_and_figures_are_no_jobs(by_slurm: Finished) -> None:
    rules = {job["comment"].partition("_wildcards_")[0] for job in by_slurm.jobs}
    assert rules == {
        *("rule_render_source", "rule_prepare_dataset", "rule_fingerprint_dataset", "rule_find_leaks"),
        *("rule_write_data_card", "rule_pretrain_backbone", "rule_train_sft", "rule_train_grpo"),
        *("rule_split_dataset", "rule_generate_answers"),
        "rule_scores_score_answers",
    }


def test_up_to_four_scores_are_one_job(by_slurm: Finished) -> None:
    scores = list(by_slurm.results.glob("scores/*/*/*.csv"))
    jobs = [job for job in by_slurm.jobs if job["comment"].startswith("rule_scores_score_answers")]
    assert len(scores) > 8
    assert len(jobs) == math.ceil(len(scores) / 4)


def test_a_job_names_its_run(by_slurm: Finished) -> None:
    for run in (path.parent.name for path in (by_slurm.results / "runs").glob("*/manifest.json")):
        assert any(job["comment"].endswith(f"_wildcards_{run}") for job in by_slurm.jobs), run
