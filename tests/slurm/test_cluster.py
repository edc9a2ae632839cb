"""The cluster that the other tests rely on: GPUs are counted and told, nodes die, nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path

import pytest

from slurm_cluster import GPUS_PER_NODE, SlurmCluster, running_cluster

SECONDS = 30


def test_gpus_are_given_and_limited(cluster: SlurmCluster) -> None:
    shown = cluster.run(
        "srun", "-p", "gpu", "--gpus=2", "-n1", "sh", "-c", "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES"
    )
    node, devices = shown.split()
    assert node in ("gpu1", "gpu2")
    assert len(devices.split(",")) == 2
    with pytest.raises(subprocess.CalledProcessError) as refused:
        cluster.run("srun", "-p", "gpu", f"--gres=gpu:{GPUS_PER_NODE + 1}", "true")
    assert "not available" in refused.value.stderr


def test_nothing_is_left_when_it_stops(tmp_path: Path) -> None:
    with running_cluster(tmp_path) as own:
        own.run("sbatch", "--wrap", "sleep 1000", "--output=/dev/null")
        deadline = time.monotonic() + SECONDS
        while [job["state"] for job in own.jobs()] != ["RUNNING"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        assert own.own_processes()
    assert own.own_processes() == []
    running = [path for path in Path("/proc").iterdir() if path.name.isdecimal()]
    for path in running:
        with contextlib.suppress(OSError):  # one of another test, which has ended meanwhile
            if path.name != str(os.getpid()):
                assert str(tmp_path) not in (path / "cmdline").read_text(errors="replace")
