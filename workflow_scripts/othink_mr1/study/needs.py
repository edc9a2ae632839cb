"""Which jobs of a study Snakemake would run, with the files that are there now. Nothing is run or written.

The rules are Snakemake's own, under `rerun-triggers: [mtime]`: what is asked for and missing is made; an
exhibit is made again when its plan file or a csv that it is drawn from is newer, or is made, too. The plan
file's age tells whether the record is the plan (plan_files.py), so these are compared here. A file that
is `ancient()` to a job makes it run only when it has to be made itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from othink_mr1.plan.exhibits import all_plans
from othink_mr1.study.jobs import Job, study_jobs, targets
from othink_mr1.study.plan_files import record_of
from othink_mr1.study.workflow import Study


@dataclass(frozen=True)
class Needs:
    """jobs: all of the study's, but for `all` itself. to_run: those of them that `snakemake -n all` lists."""

    study: Study
    plans: Mapping[str, Mapping[str, Any]]
    jobs: list[Job]
    to_run: list[Job]

    def why_outdated(self, job: Job) -> str | None:
        """Why an exhibit that is there is made again, for a reader; None if not for its own sake."""
        assert job.exhibit is not None
        results, plan = Path(self.study.config.results), self.plans[job.exhibit]
        if not _is_outdated(job, plan, results):
            return None
        record = record_of(results, job.exhibit)
        if not isinstance(record, dict):
            return "has no record of what it was made of"
        if record == plan:
            return "is older than the csv that it is drawn from"
        return "was made of other results"


def needs_of(study: Study) -> Needs:
    """What would run."""
    results = Path(study.config.results)
    plans = all_plans(study.config)
    jobs = study_jobs(study)
    needed = _needed(jobs, targets(study), plans, results)
    return Needs(study, plans, jobs, [job for job in jobs if job.name in needed])


def _needed(
    jobs: Sequence[Job],
    wanted: Iterable[str],
    plans: Mapping[str, Mapping[str, Any]],
    results: Path,
) -> set[str]:
    """The names of the jobs that run."""
    makers = {file: job for job in jobs for file in job.outputs}
    users: dict[str, list[Job]] = {}
    for job in jobs:
        for file in job.inputs:
            users.setdefault(file, []).append(job)
    there = {file: (results / file).exists() for file in {*makers, *wanted}}
    missing = [makers[file] for file in wanted if not there[file]]
    outdated = [job for job in jobs if job.exhibit and _is_outdated(job, plans[job.exhibit], results)]
    waiting = [*missing, *outdated]
    found = {job.name for job in waiting}
    while waiting:
        job = waiting.pop()
        before = [makers[file] for file in job.inputs if not there[file]]
        after = [
            user
            for file in job.outputs
            for user in users.get(file, [])
            if file in user.drawn_from or not there[file]
        ]
        for other in (*before, *after):
            if other.name not in found:
                found.add(other.name)
                waiting.append(other)
    return found


def _is_outdated(job: Job, plan: Mapping[str, Any], results: Path) -> bool:
    """Whether an exhibit that is there, in part at least, was made of something else."""
    present = [results / file for file in job.outputs if (results / file).exists()]
    if not present:
        return False
    assert job.exhibit is not None
    if record_of(results, job.exhibit) != plan:
        return True
    benchmark = results / job.benchmark
    oldest = min(file.lstat().st_mtime for file in (*present, *([benchmark] if benchmark.exists() else [])))
    data = [results / file for file in job.drawn_from]
    return any(file.exists() and file.stat().st_mtime > oldest for file in data)
