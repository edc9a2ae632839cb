"""Run Snakemake as a user does, in a copy of the repository: tests and users do not share a lock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PARTS = (
    "Snakefile",
    "config.yaml",
    "studies",
    "rules",
    "envs",
    "workflow_scripts",
    "profiles",
    "mini",
    "slurm",
    "docs",
    "examples",
    "tests/study.yaml",
)


def copy_repository(target: Path) -> Path:
    for part in PARTS:
        source, copy = REPOSITORY / part, target / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    return target


def run_snakemake(
    checkout: Path,
    arguments: Sequence[str],
    timeout: float = 120,
    path: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `.venv/bin/snakemake` as a user does: nothing activated, only its own folder known.

    variables: environment variables besides PATH and HOME.
    """
    environment = {"PATH": path or os.environ["PATH"], "HOME": os.environ.get("HOME", str(checkout))}
    environment |= variables or {}
    return subprocess.run(
        [str(Path(sys.executable).parent / "snakemake"), *arguments],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def job_counts(output: str) -> dict[str, int]:
    """Rule -> number of jobs, from Snakemake's table of job stats."""
    counts = {}
    lines = iter(output.splitlines())
    for line in lines:
        if line.split() == ["job", "count"]:
            next(lines)
            for row in lines:
                if not row.strip():
                    return counts
                rule, count = row.split()
                counts[rule] = int(count)
    return counts
