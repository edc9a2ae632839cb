"""The speed benchmarks still run, and compare systems that do the same work."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repository import REPOSITORY

pytest.importorskip("trl")


def test_a_quick_run_compares_equal_systems(tmp_path: Path) -> None:
    """The program itself stops when losses, gradients or answers of the systems differ."""
    # One thread: two wait for each other at every operation when another test runs beside this one.
    only = ["--quick", "--threads", "1", "--only", "grpo", "--only", "evaluation", "--only", "sft"]
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.speed", *only, "--output", tmp_path],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": "workflow_scripts"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    with open(tmp_path / "grpo_step.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["system"] for row in rows} == {"ours", "trl", "r1v"}
    for row in rows:
        phases = ("generation", "reference", "forward_backward", "optimizer")
        assert all(float(row[f"{phase}_seconds"]) > 0 for phase in phases)
