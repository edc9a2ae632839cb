"""What each target installs and calls."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from repository import REPOSITORY


@pytest.mark.parametrize("target", ["verify", "status", "what-if", "prune", "inspect-logs"])
def test_reading_installs_nothing(tmp_path: Path, target: str) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    done = subprocess.run(["make", "-C", tmp_path, target], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{target}: nothing is installed yet; run make environment" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_changes_reach_the_check_and_snakemake(tmp_path: Path) -> None:
    """The same words to both, beside the overlays; what is missing is installed first."""
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "constraints.txt").touch()
    for target, overlay in (("run", "studies/seeds.yaml"), ("mini", "mini/study.yaml")):
        command = ["make", "-n", "-C", tmp_path, target, "SET=methods.grpo.steps=5 seeds=[1,2]"]
        command += [f"OVERLAY={overlay}"] if target == "run" else []
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        install, *_, check, snakemake = [line for line in done.stdout.splitlines() if ".venv" in line]
        assert install.endswith("-m venv .venv")
        assert check.endswith(f"--overlay {overlay} --set 'methods.grpo.steps=5 seeds=[1,2]'")
        assert snakemake.endswith("--config set='methods.grpo.steps=5 seeds=[1,2]'")
        assert ("--configfile studies/seeds.yaml" if target == "run" else "--profile mini") in snakemake
