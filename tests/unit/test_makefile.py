"""What each target installs and calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
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
        *install, check, snakemake = [line for line in done.stdout.splitlines() if ".venv" in line]
        assert any(line.endswith("-m venv .venv") for line in install)
        assert check.endswith(f"--overlay {overlay} --set 'methods.grpo.steps=5 seeds=[1,2]'")
        assert snakemake.endswith("--config set='methods.grpo.steps=5 seeds=[1,2]'")
        assert ("--configfile studies/seeds.yaml" if target == "run" else "--profile mini") in snakemake


@pytest.mark.parametrize("version", ["3, 12", "3, 10", None])
def test_another_python_is_refused_before_anything_is_created(tmp_path: Path, version: str | None) -> None:
    """version: that of a stand-in for Python; None: no such program."""
    for file in ("Makefile", "requirements.txt", "constraints.txt"):
        shutil.copy(REPOSITORY / file, tmp_path)
    before = set(tmp_path.iterdir())
    python = tmp_path.parent / f"python-{version}"
    if version:
        stand_in = (
            f'#!/bin/sh\nshift\nexec {sys.executable} -c "import sys; sys.version_info = ({version}); $1"\n'
        )
        python.write_text(stand_in)
        python.chmod(0o755)
    command = ["make", "-C", tmp_path, "environment", f"PYTHON={python}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    said, _ = done.stderr.splitlines()  # the other is make's own
    assert said == (
        f"make: needs Python 3.11 with ensurepip (Debian: python3-venv); {python} is not that; "
        "make environment PYTHON=/path/to/python3.11"
    )
    assert set(tmp_path.iterdir()) == before


def test_python_3_11_is_taken(tmp_path: Path) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    python = tmp_path / "my tools" / "python"  # pip would take seconds, and is not what is tested
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@" $([ "$2" != venv ] || echo --without-pip)\n')
    python.chmod(0o755)
    command = ["make", "-C", tmp_path, ".venv/bin/python", f"PYTHON={python}"]
    subprocess.run(command, capture_output=True, check=True)
    assert (tmp_path / ".venv" / "bin" / "python").exists()


def test_programs_find_their_package_where_python_is_told_not_to_look_beside_them(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    for name in ("Makefile", "workflow_scripts", "config.yaml"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    command = ["make", "-C", tmp_path, "verify"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "there is no such folder; check `results`" in done.stderr
