"""Each mistake that can be known beforehand is one line, at once, and nothing is submitted."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from slurm_cluster import SlurmCluster
from snakemake_runs import copy_repository, run_snakemake

SECONDS = 4.0
# On a busy machine Snakemake alone takes as long: then so much more than a dry run, which asks nobody.
MORE_THAN_A_DRY_RUN = 1.5
TARGET = "results/smoke/learning_curves.csv"
SMOKE = ["--configfile", "tests/study.yaml", "--profile", "slurm"]
GPUS = "execution={train: {device: cuda, gpus: 1}}"
# A port that nothing listens on.
NO_INTERNET = {"HF_ENDPOINT": "http://127.0.0.1:9"}


@pytest.fixture(scope="module")
def allowed(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that a refusal may take."""
    checkout = copy_repository(tmp_path_factory.mktemp("dry-run"))
    _, seconds = run(checkout, cluster, [*SMOKE, "-n", TARGET])
    return max(SECONDS, seconds + MORE_THAN_A_DRY_RUN)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return copy_repository(tmp_path)


def facts(checkout: Path, old: str, new: str) -> None:
    """Change a line of the profile."""
    profile = checkout / "slurm" / "config.yaml"
    text = profile.read_text()
    assert text.count(old) == 1
    profile.write_text(text.replace(old, new))


def run(
    checkout: Path, cluster: SlurmCluster, arguments: Sequence[str], **variables: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    started = time.monotonic()
    environment = cluster.environment | variables
    done = run_snakemake(checkout, arguments, path=environment.pop("PATH"), variables=environment)
    return done, time.monotonic() - started


def refused(
    checkout: Path, cluster: SlurmCluster, allowed: float, arguments: Sequence[str], **variables: str
) -> str:
    """The one line that a refused start ends with, within the allowed seconds."""
    before = cluster.jobs("all")
    done, seconds = run(checkout, cluster, arguments, **variables)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr + done.stdout
    assert cluster.jobs("all") == before
    assert not list((checkout / "results").glob("**/logs/**/*.log"))
    assert seconds < allowed
    # The next start needs no --unlock.
    assert not list((checkout / ".snakemake" / "locks").glob("*"))
    return line


def test_unknown_partition(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    facts(checkout, "slurm_partition: cpu ", "slurm_partition: cpus ")
    assert refused(checkout, cluster, allowed, [*SMOKE, TARGET]) == (
        "error: slurm/config.yaml: unknown partition 'cpus'; did you mean cpu? known: cpu, far, gpu, gpuhi"
    )


def test_an_account_where_none_are_kept(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    facts(checkout, "# slurm_account", "slurm_account")
    line = refused(checkout, cluster, allowed, [*SMOKE, TARGET])
    assert "slurm_account is 'project', but this cluster keeps no accounts" in line


def test_a_partition_without_gpus(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    facts(checkout, "gpu_partition: gpu ", "gpu_partition: cpu ")
    line = refused(checkout, cluster, allowed, [*SMOKE, TARGET, "--config", GPUS])
    assert "no node of partition cpu has GPUs, which jobs of rule train_" in line


def test_a_type_of_gpu_that_is_not_there(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    facts(checkout, "# gpu_type", "gpu_type")
    line = refused(checkout, cluster, allowed, [*SMOKE, TARGET, "--config", GPUS])
    assert "no node of partition gpu has GPUs of type 'a100'" in line


def test_more_gpus_than_a_node_has(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    many = ["--set-resources", "train_sft:gpu=9"]
    line = refused(checkout, cluster, allowed, [*SMOKE, TARGET, "--config", GPUS, *many])
    assert "jobs of rule train_sft ask for 9 GPUs, but a node of partition gpu has 8" in line


def test_more_time_than_the_partition_allows(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    line = refused(checkout, cluster, allowed, [*SMOKE, TARGET, "--config", "execution={train: {hours: 49}}"])
    assert "ask for 49 hours, but partition cpu allows 24; lower execution.*.hours" in line


def test_what_only_slurm_itself_refuses(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    facts(checkout, "'--signal=URG@300'", "'--signal=URG@300 --reservation=party'")
    line = refused(checkout, cluster, allowed, [*SMOKE, TARGET])
    assert "Slurm would refuse jobs of rule" in line
    assert "reservation is invalid" in line


def test_results_that_the_nodes_cannot_see(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    facts(checkout, "slurm_partition: cpu ", "slurm_partition: far ")
    line = refused(checkout, cluster, allowed, [*SMOKE, TARGET])
    assert "a file system of this machine, which far1 cannot see; set `results` to a shared one" in line


def test_nothing_downloaded_and_no_internet(cluster: SlurmCluster, allowed: float, checkout: Path) -> None:
    line = refused(checkout, cluster, allowed, ["--profile", "slurm", "all"], **NO_INTERNET)
    assert "not downloaded yet, and http://127.0.0.1:9 cannot be reached from here" in line
    assert "run `snakemake download`" in line


def test_no_slurm_here(cluster: SlurmCluster, allowed: float, checkout: Path, tmp_path: Path) -> None:
    # All programs of the system but Slurm's.
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "sh", "which", "git", "env", "uname", "cat"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    line = refused(checkout, cluster, allowed, [*SMOKE, TARGET], PATH=str(programs))
    assert line.startswith(
        "error: sbatch, squeue, scancel, sinfo, scontrol, srun: not found; start snakemake"
    )


def test_a_controller_that_does_not_answer(cluster: SlurmCluster, checkout: Path, tmp_path: Path) -> None:
    # Snakemake's plugin itself asks it three times before, for 10 seconds each.
    configuration = Path(cluster.environment["SLURM_CONF"]).read_text().splitlines()
    dead = ["SlurmctldPort=9" if line.startswith("SlurmctldPort") else line for line in configuration]
    (tmp_path / "slurm.conf").write_text("\n".join(dead))
    line = refused(checkout, cluster, 60, [*SMOKE, TARGET], SLURM_CONF=str(tmp_path / "slurm.conf"))
    assert "sinfo fails" in line


def test_a_dry_run_asks_nobody(cluster: SlurmCluster, checkout: Path) -> None:
    facts(checkout, "slurm_partition: cpu ", "slurm_partition: cpus ")
    done, _ = run(checkout, cluster, [*SMOKE, "-n", TARGET], PATH=os.defpath)
    assert done.returncode == 0, done.stderr
    assert "slurm_partition=cpus" in done.stdout
