"""Snakemake that is refused on a cluster: in seconds, by one line, and nothing is submitted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from slurm_cluster import SlurmCluster
from snakemake_runs import run_snakemake

SECONDS = 4.0
# On a busy machine Snakemake alone takes as long: then so much more than a dry run, which asks nobody.
MORE_THAN_A_DRY_RUN = 1.5
TARGET = "results/smoke/learning_curves.csv"
SMOKE = ["--configfile", "tests/study.yaml", "--profile", "slurm"]


def run(
    checkout: Path, cluster: SlurmCluster, arguments: Sequence[str], **variables: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    started = time.monotonic()
    environment = cluster.environment | variables
    done = run_snakemake(checkout, arguments, path=environment.pop("PATH"), variables=environment)
    return done, time.monotonic() - started


def refused(
    checkout: Path,
    cluster: SlurmCluster,
    arguments: Sequence[str],
    within: float = SECONDS,
    **variables: str,
) -> str:
    """The one line that a refused start ends with, within these seconds."""
    before = cluster.jobs("all")
    done, seconds = run(checkout, cluster, arguments, **variables)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr + done.stdout
    assert cluster.jobs("all") == before
    assert not list((checkout / "results").glob("**/logs/**/*.log"))
    if seconds >= within:
        # Measured again beside a dry run: this machine may have been busy with something else.
        _, of_a_dry_run = run(checkout, cluster, [*arguments, "-n"], **variables)
        _, seconds = run(checkout, cluster, arguments, **variables)
        assert seconds < max(within, of_a_dry_run + MORE_THAN_A_DRY_RUN)
    # The next start needs no --unlock.
    assert not list((checkout / ".snakemake" / "locks").glob("*"))
    return line
