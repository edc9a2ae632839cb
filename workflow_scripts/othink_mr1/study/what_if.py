"""What would be made now, or after a change of the config, and why. Nothing is run, nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from othink_mr1.config.load import checked_study
from othink_mr1.config.read_yaml import Document
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.study.config_changes import Change, changed_study, differences, shown
from othink_mr1.study.estimates import Estimate, estimates
from othink_mr1.study.jobs import Job, study_jobs
from othink_mr1.study.like_runs import what_differs
from othink_mr1.study.needs import Needs, needs_of
from othink_mr1.study.workflow import Study

# What a rule's name begins with -> the stage's title, in their order; the rest collects and draws.
_STAGES = {
    "download": "download",
    "render": "render",
    "prepare": "prepare",
    "fingerprint": "look for leaks",
    "find": "look for leaks",
    "pretrain": "pretrain",
    "train": "train",
    "generate": "generate",
    "score": "score",
}
_LAST_STAGE = "collect and draw"
_NAMED = 20  # jobs of a stage that are named; --list names all


@dataclass(frozen=True)
class Planned:
    """A job that would run, and why."""

    job: Job
    reason: str


@dataclass(frozen=True)
class WhatIf:
    """planned: in the order of the stages. jobs: all of the study's. absent: jobs that do not run although
    their results are not there, as no exhibit needs them now. unused: what is there, and the study needs
    before the change but not after it; relative to the results root."""

    changes: list[str]
    planned: list[Planned]
    jobs: list[Job]
    absent: int
    estimates: list[Estimate]
    unused: list[str]


def what_if(document: Document, changes: Sequence[Change]) -> WhatIf:
    """Compare a config with the results, as it stands and with changes.

    UserError if the config or a change is wrong.
    """
    before = checked_study(document)
    study = Study(changed_study(document, list(changes))) if changes else Study(before)
    needs = needs_of(study)
    reasons = _reasons_of_changes(document, changes, before, needs)
    planned = [Planned(job, reasons.get(job.name) or _own_reason(needs, job)) for job in needs.to_run]
    planned.sort(key=lambda entry: _order(entry.job.rule))
    return WhatIf(
        _changed_values(before, study.config),
        planned,
        needs.jobs,
        _absent(needs),
        estimates(study, needs.to_run),
        _unused(before, study.config) if changes else [],
    )


def what_if_lines(found: WhatIf) -> Iterator[str]:
    """The report for a reader."""
    yield from found.changes
    totals = Counter(_stage(job.rule) for job in found.jobs)
    for stage in dict.fromkeys([*_STAGES.values(), _LAST_STAGE]):
        to_run = [entry for entry in found.planned if _stage(entry.job.rule) == stage]
        if to_run:
            yield f"{stage}: {len(to_run)} of {totals[stage]}"
            yield from _stage_lines(stage, to_run)
    reused = len(found.jobs) - len(found.planned) - found.absent
    if found.planned:
        yield f"{len(found.planned)} jobs would run; the results of {reused} are there and would be used"
    else:
        yield f"nothing would run: every exhibit is up to date, and the results of {reused} jobs are there"
    if found.absent:
        yield f"the results of {found.absent} jobs are not there, and no exhibit needs them now"
    yield from (estimate.line() for estimate in found.estimates)
    if found.unused:
        yield f"no longer used, but kept (`make prune` lists what no config uses): {len(found.unused)}"
        yield from _few([f"  {name}" for name in found.unused])


def what_if_list(found: WhatIf) -> Iterator[str]:
    """One line per job: rule, outputs, reason, with tabs between."""
    for entry in found.planned:
        yield "\t".join([entry.job.rule, " ".join(entry.job.outputs), entry.reason])


def _reasons_of_changes(
    document: Document, changes: Sequence[Change], before: StudyConfig, after: Needs
) -> dict[str, str]:
    """Name of a job that runs because of changes -> these."""
    if not changes:
        return {}
    already = {job.name for job in needs_of(Study(before)).to_run}
    reasons: dict[str, list[str]] = {}
    for change in changes:
        try:
            alone = Study(changed_study(document, [change]))
        except UserError:
            continue  # sound only together with others
        for job in needs_of(alone).to_run:
            if job.name not in already:
                reasons.setdefault(job.name, []).extend(_changed_values(before, alone.config))
    together = "; ".join(_changed_values(before, after.study.config))
    return {
        job.name: "; ".join(reasons.get(job.name, [together]))
        for job in after.to_run
        if job.name not in already
    }


def _own_reason(needs: Needs, job: Job) -> str:
    """Why a job runs that no supposed change makes run."""
    if job.exhibit and (reason := needs.why_outdated(job)):
        return reason
    if job.rule.startswith("train_"):
        return what_differs(needs.study, job.name.split("/", 1)[1]) or "is not there"
    results = Path(needs.study.config.results)
    if any(not (results / file).exists() for file in job.outputs):
        return "is not there"
    return "what it needs runs"


def _changed_values(before: StudyConfig, after: StudyConfig) -> list[str]:
    return [f"{path}: {shown(old)} → {shown(new)}" for path, (old, new) in differences(before, after).items()]


def _absent(needs: Needs) -> int:
    results = Path(needs.study.config.results)
    runs = {job.name for job in needs.to_run}
    return sum(
        job.name not in runs and not all((results / file).exists() for file in job.outputs)
        for job in needs.jobs
    )


def _unused(before: StudyConfig, after: StudyConfig) -> list[str]:
    results = Path(before.results)
    still = {file for job in study_jobs(Study(after)) for file in job.outputs}
    if after.results != before.results:
        still = set()
    former = [file for job in study_jobs(Study(before)) for file in job.outputs if file not in still]
    names = [file.removesuffix("/manifest.json") for file in former if (results / file).exists()]
    return sorted(names, key=lambda name: (not name.startswith("runs/"), name))


def _stage_lines(stage: str, to_run: Sequence[Planned]) -> Iterator[str]:
    """Each job with its reason; or the reasons with the number of jobs, where the reasons tell all."""
    if stage in ("train", "pretrain", "download", "render"):
        yield from _few([f"  {entry.job.name.split('/', 1)[1]}  ({entry.reason})" for entry in to_run])
    else:
        counts = Counter(entry.reason for entry in to_run)
        yield from _few([f"  {count}: {reason}" for reason, count in counts.items()])


def _few(lines: Sequence[str]) -> Iterator[str]:
    yield from lines[:_NAMED]
    if len(lines) > _NAMED:
        yield f"  and {len(lines) - _NAMED} more"


def _stage(rule: str) -> str:
    if rule in ("collect_leaks", "write_data_card"):
        return _LAST_STAGE
    return _STAGES.get(rule.split("_")[0], _LAST_STAGE)


def _order(rule: str) -> int:
    return [*_STAGES.values(), _LAST_STAGE].index(_stage(rule))
