"""A cluster whose controller does not answer. Snakemake's plugin waits for it half a minute."""

from __future__ import annotations

from pathlib import Path

from refusals import SMOKE, TARGET, refused

from slurm_cluster import SlurmCluster
from snakemake_runs import copy_repository


def test_a_controller_that_does_not_answer(cluster: SlurmCluster, tmp_path: Path) -> None:
    checkout = copy_repository(tmp_path / "checkout")
    # Snakemake's plugin itself asks it three times before, for 10 seconds each.
    configuration = Path(cluster.environment["SLURM_CONF"]).read_text().splitlines()
    dead = ["SlurmctldPort=9" if line.startswith("SlurmctldPort") else line for line in configuration]
    (tmp_path / "slurm.conf").write_text("\n".join(dead))
    line = refused(checkout, cluster, [*SMOKE, TARGET], within=60, SLURM_CONF=str(tmp_path / "slurm.conf"))
    assert "sinfo fails" in line
