"""Targets that only read install nothing."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from repository import REPOSITORY


@pytest.mark.parametrize("target", ["verify", "status", "what-if", "prune"])
def test_reading_installs_nothing(tmp_path: Path, target: str) -> None:
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    done = subprocess.run(["make", "-C", tmp_path, target], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{target}: nothing is installed yet; run make environment" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]
