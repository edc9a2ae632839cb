"""A complete results root of any study in seconds: real names and manifests, fake contents."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from forked_snakemake import DryJob
from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.config.study import StudyConfig
from othink_mr1.plan import tables
from othink_mr1.plan.plan_files import made_of, plan_inputs

HOURS_PER_STEP = 0.001  # GPU-hours, the same for every run


def write_placeholders(config: StudyConfig, checkout: Path, jobs: Iterable[DryJob]) -> None:
    """Make each job's outputs as Snakemake would, exhibits last.

    checkout: the folder that the config's `results` is relative to.
    """
    with contextlib.chdir(checkout):
        plans = {Path(path).name: checkout / path for path in plan_inputs(config, newer=False).values()}
    for job in sorted(jobs, key=_order):
        plan = next(filter(None, map(_plan, job.inputs)), "")
        with made_of(plans[plan] if plan else None, checkout / config.results):
            for output in job.outputs:
                path = checkout / output
                if path.name != "manifest.json":
                    write_sealed_text(path, f"{output} of {plan}\n")
                elif not path.exists():
                    with filling(path.parent, {}) as artefact:
                        write_text(path.parent / "content", output)
                        artefact.finish(**_facts(config, job, path.parent.name))


def copy_without_times(source: Path, target: Path) -> None:
    """Copy a folder as `cp -r` does: the copied files have the time of the copy."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)


def _order(job: DryJob) -> int:
    """A sort key: exhibits after everything else, then those that are drawn from others, last the report."""
    if not any(map(_plan, job.inputs)):
        return 0
    drawn = {"draw_figure": 2, "make_table": 2, "check_claims": 2, "make_report": 3}
    return drawn.get(job.rule, 1)


def _plan(file: str) -> str:
    """The name of a plan file, kept or not; empty for other files."""
    path = Path(file)
    return path.name if path.parent.name.startswith("plans") else ""


def _facts(config: StudyConfig, job: DryJob, name: str) -> dict[str, Any]:
    """A job's facts for its manifest, as far as anything reads them."""
    if job.rule.startswith("download_"):
        return {"revision": "0" * 40}
    if not job.rule.startswith("train_"):
        return {}
    told = json.loads(tables.runs(config)[name].settings)
    hours = told["settings"]["steps"] * HOURS_PER_STEP
    execution = config.execution.train.model_dump(mode="json")
    return {"run": told, "execution": execution, "gpu_hours": hours, "wall_seconds": 3600 * hours}
