"""A complete results root of any study in a second: every file has its name and its manifest, and no content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from othink_mr1.study.artefacts import filling
from othink_mr1.study.atomic_files import write_json, write_text
from othink_mr1.study.jobs import Job, study_jobs
from othink_mr1.study.manifests import write_sealed_text
from othink_mr1.study.plan import all_plans
from othink_mr1.study.runs import description
from othink_mr1.study.workflow import Study

HOURS_PER_STEP = 0.001  # of GPUs, of every run


def write_placeholders(study: Study, root: Path, scripts: Path) -> list[Job]:
    """Write what is not there of all that the study makes, exhibits last; returns its jobs.

    root: the results root. scripts: the entry points, whose code the exhibits' records name.
    """
    plans = all_plans(study.config, scripts)
    jobs = sorted(study_jobs(study), key=lambda job: (bool(job.exhibit), bool(job.drawn_from)))
    for job in jobs:
        for file in job.outputs:
            path = root / file
            if path.exists():
                continue
            if path.name == "manifest.json":
                with filling(path.parent, {}) as artefact:
                    write_text(path.parent / "content", job.name)
                    artefact.finish(**_facts(study, job))
            elif path.parent.name == "made_of":
                write_json(path, plans[path.stem])
            else:
                write_sealed_text(path, f"{job.name}\n")
    return jobs


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
