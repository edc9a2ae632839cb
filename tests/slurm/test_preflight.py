"""Each mistake that can be known beforehand is one line, at once, and nothing is submitted."""

from __future__ import annotations

import contextlib
import io
import os
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from refusals import SMOKE, TARGET, refused, run

from othink_mr1.cluster import preflight
from othink_mr1.cluster.facts import ClusterFacts
from othink_mr1.cluster.preflight import Request, check_slurm, warn_of_forgotten_jobs
from othink_mr1.cluster.slurm import forgets_after_seconds
from othink_mr1.cluster.time_limits import partition_limits
from othink_mr1.config.load import load_study
from othink_mr1.errors import UserError
from othink_mr1.plan.folders import raw_folder
from slurm_cluster import SlurmCluster
from snakemake_runs import copy_repository

T = TypeVar("T")
GPUS = "execution={train: {device: cuda, gpus: 1}}"
# A port that nothing listens on.
NO_INTERNET = {"HF_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_repository(tmp_path)


def facts(checkout: Path, old: str, new: str) -> None:
    """Change a line of the profile."""
    profile = checkout / "slurm" / "config.yaml"
    text = profile.read_text()
    assert text.count(old) == 1
    profile.write_text(text.replace(old, new))


def asked(cluster: SlurmCluster, question: Callable[[], T]) -> T:
    """The answer to a question that this process asks the cluster."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environment.items():
            patch.setenv(name, value)
        return question()


def test_unknown_partition(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "slurm_partition: \"'cpu'\"", "slurm_partition: \"'cpus'\"")
    line = refused(checkout, cluster, [*SMOKE, TARGET])
    assert line.startswith("error: Slurm would refuse jobs of rule ")
    assert "invalid partition specified: cpus" in line
    assert "--partition=cpus" in line
    assert line.endswith("; change execution in config.yaml, or slurm/config.yaml")


def test_a_partition_without_gpus(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "gpu_partition: \"'gpu'\"", "gpu_partition: \"'cpu'\"")
    line = refused(checkout, cluster, [*SMOKE, TARGET, "--config", GPUS])
    assert "Slurm would refuse jobs of rule train_" in line
    assert "--partition=cpu --gpus=1" in line


def test_a_type_of_gpu_that_is_not_there(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "# gpu_type", "gpu_type")
    line = refused(checkout, cluster, [*SMOKE, TARGET, "--config", GPUS])
    assert "Slurm would refuse jobs of rule train_" in line
    assert "--gpus=a100:1" in line


def test_a_card_that_seems_too_small(cluster: SlurmCluster, checkout: Path) -> None:
    """The paper's study, which is then refused for another reason: there is no internet here."""
    facts(checkout, "# gpu_type: \"'a100'\"", "gpu_type: \"'rtx4090'\"")
    done, _ = run(checkout, cluster, ["--profile", "slurm", "all"], **NO_INTERNET)
    assert "cannot be reached from here" in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("warning: runs/")]
    assert re.search(r"may need \d+ GB of GPU memory, and rtx4090 has 24 \(an estimate", line)


def test_more_gpus_than_a_node_has(cluster: SlurmCluster, checkout: Path) -> None:
    many = ["--set-resources", "train_sft:gpu=9"]
    line = refused(checkout, cluster, [*SMOKE, TARGET, "--config", GPUS, *many])
    assert "Slurm would refuse jobs of rule train_sft" in line
    assert "--gpus=9" in line


def test_more_time_than_the_partition_allows(cluster: SlurmCluster, checkout: Path) -> None:
    line = refused(checkout, cluster, [*SMOKE, TARGET, "--config", "execution={train: {hours: 49}}"])
    assert "ask for 49 hours, but partition cpu allows 24; lower execution.*.hours" in line


def test_a_feature_that_no_node_has(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "# constraint: \"'sxm4'\"", "constraint: \"'sxm4'\"")
    line = refused(checkout, cluster, [*SMOKE, TARGET])
    assert "Slurm would refuse jobs of rule" in line
    assert "--constraint=sxm4" in line


def test_an_unbalanced_quote(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "'--signal=URG@300'", "'--signal=URG@300 --comment=\\\"x'")
    assert "slurm_extra: No closing quotation" in refused(checkout, cluster, [*SMOKE, TARGET])


def test_nodes_that_are_drained_are_waited_for(cluster: SlurmCluster, checkout: Path) -> None:
    cluster.run("scontrol", "update", "NodeName=cpu1", "State=DRAIN", "Reason=test")
    try:
        cpu = Request("score_answers", partition="cpu", cpus=1, memory_mb=1000, minutes=60)
        said = io.StringIO()
        with contextlib.redirect_stderr(said):
            asked(cluster, lambda: check_slurm([cpu], checkout / "results", ClusterFacts(), {}))
        assert "jobs of rule score_answers may wait for nodes of partition cpu" in said.getvalue()
    finally:
        cluster.run("scontrol", "update", "NodeName=cpu1", "State=UNDRAIN")
        deadline = time.monotonic() + 30
        while cluster.node_states()["cpu1"] != "idle":
            assert time.monotonic() < deadline
            time.sleep(0.2)
    # Where all nodes take jobs, what they cannot run is refused.
    big = replace(cpu, cpus=9)
    with pytest.raises(UserError, match="Slurm would refuse jobs of rule score_answers"):
        asked(cluster, lambda: check_slurm([big], checkout / "results", ClusterFacts(), {}))


def test_the_partitions_limits(cluster: SlurmCluster) -> None:
    limits = asked(cluster, partition_limits)
    assert limits["cpu"] == 24 * 60


def test_a_cluster_that_soon_forgets(cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked(cluster, forgets_after_seconds) == 3600
    monkeypatch.setattr(preflight, "_LONGEST_PAUSE_SECONDS", 3600)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        asked(cluster, warn_of_forgotten_jobs)
    assert "warning: this cluster forgets ended jobs after 3600 s (MinJobAge)" in said.getvalue()


def test_what_only_slurm_itself_refuses(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "'--signal=URG@300'", "'--signal=URG@300 --reservation=party'")
    line = refused(checkout, cluster, [*SMOKE, TARGET])
    assert "Slurm would refuse jobs of rule" in line
    assert "reservation is invalid" in line


def test_results_that_the_nodes_cannot_see(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "slurm_partition: \"'cpu'\"", "slurm_partition: \"'far'\"")
    line = refused(checkout, cluster, [*SMOKE, TARGET])
    assert "a file system of this machine, which far1 cannot see; set `results` to a shared one" in line


def test_nothing_downloaded_and_no_internet(cluster: SlurmCluster, checkout: Path) -> None:
    line = refused(checkout, cluster, ["--profile", "slurm", "all"], **NO_INTERNET)
    assert "not downloaded yet, and http://127.0.0.1:9 cannot be reached from here" in line
    assert "run `snakemake download`" in line


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with all programs of the system but Slurm's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "sh", "which", "git", "env", "uname", "cat", "dirname"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    return programs


def test_no_slurm_here(cluster: SlurmCluster, checkout: Path, programs: Path) -> None:
    line = refused(checkout, cluster, [*SMOKE, TARGET], PATH=str(programs))
    assert line.startswith(
        "error: sbatch, squeue, scancel, sinfo, scontrol, srun: not found; start snakemake"
    )


def test_a_download_needs_no_slurm(cluster: SlurmCluster, checkout: Path, programs: Path) -> None:
    """It runs where Snakemake does; this one then fails by itself."""
    raw = raw_folder(load_study([checkout / "config.yaml"]), "geoqa_8k")
    arguments = ["--profile", "slurm", "--retries", "0", f"results/{raw}/manifest.json"]
    done, _ = run(checkout, cluster, arguments, PATH=str(programs), HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set, and the hub's cache here is not known to have" in done.stderr


def test_a_dry_run_checks_nothing(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "slurm_partition: \"'cpu'\"", "slurm_partition: \"'cpus'\"")
    done, _ = run(checkout, cluster, [*SMOKE, "-n", TARGET], PATH=os.defpath)
    assert done.returncode == 0, done.stderr
    assert "slurm_partition=cpus" in done.stdout
