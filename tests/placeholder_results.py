"""A complete results root of any study in seconds: names and manifests are true, contents are not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import write_json, write_text
from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.config.study import StudyConfig
from othink_mr1.plan.identity import digest
from othink_mr1.plan.runs import description
from othink_mr1.study.jobs import Job
from othink_mr1.study.needs import needs_of
from othink_mr1.study.workflow import Study

HOURS_PER_STEP = 0.001  # of GPUs, of every run


def write_placeholders(config: StudyConfig, root: Path) -> list[Job]:
    """Write what Snakemake would make now, exhibits last; returns the jobs.

    root: the config's results root.
    """
    study = Study(config.model_copy(update={"results": str(root)}))
    needs = needs_of(study)
    jobs = sorted(needs.to_run, key=lambda job: (bool(job.exhibit), bool(job.drawn_from)))
    for job in jobs:
        for file in job.outputs:
            path = root / file
            if path.name == "manifest.json":
                if not path.exists():
                    with filling(path.parent, {}) as artefact:
                        write_text(path.parent / "content", job.name)
                        artefact.finish(**_facts(study, job))
            elif job.exhibit is None:
                write_sealed_text(path, f"{job.name}\n")
            elif path.parent.name == "made_of":
                write_json(path, needs.plans[job.exhibit])
            else:
                write_sealed_text(path, exhibit_text(needs.plans[job.exhibit]))
    return jobs


def exhibit_text(plan: Any) -> str:
    """The content of an exhibit's files: of which plan it was made."""
    return f"made of {digest(plan)}\n"


def copy_without_times(source: Path, target: Path) -> None:
    """Copy a folder as `cp -r` does: what is copied is as old as the copy."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)


def _facts(study: Study, job: Job) -> dict[str, Any]:
    """What a job's manifest says of it, as far as anything reads it."""
    if job.rule.startswith("download_"):
        return {"revision": "0" * 40}
    if not job.rule.startswith("train_"):
        return {}
    run = study.runs[job.name.split("/")[1]]
    hours = run.settings.steps * HOURS_PER_STEP
    execution = study.config.execution.train.model_dump(mode="json")
    told = description(study.config, run).model_dump(mode="json")
    return {"run": told, "execution": execution, "gpu_hours": hours, "wall_seconds": 3600 * hours}
