"""The progress of a study's trainings, from their files only: Slurm is not asked, no job is disturbed.

Files may change while they are read, so half a line, or a file that has just disappeared, is not an error.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from othink_mr1.artefacts.artefact import has_lost_manifest
from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.artefacts.one_writer import writer_of
from othink_mr1.artefacts.verification import mark_of
from othink_mr1.config.sources import SmallBackbone
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan.data import used_backbones
from othink_mr1.plan.folders import backbone_folder
from othink_mr1.plan.runs import all_runs, varied_settings, varied_text

State = Literal["waiting", "training", "interrupted", "complete", "damaged"]
COLUMNS = ("run", "state", "step", "left", "reward", "loss", "node", "job", "varied")
_RECENT_STEPS = 20  # their mean gives the time left


@dataclass(frozen=True)
class RunStatus:
    """step: the last finished step; for an interrupted run, the step after which it will resume.

    seconds_left: None if it is not training, or before its first step. reward, loss: of the last step, if
    it has them. node, job: where it is training now; job is Slurm's number.
    """

    run: str
    state: State
    step: int
    steps: int
    seconds_left: float | None = None
    reward: float | None = None
    loss: float | None = None
    node: str | None = None
    job: str | None = None
    varied: str = ""  # settings that vary among the study's runs of its method and task


def study_status(config: StudyConfig) -> list[RunStatus]:
    """The pretrained backbones and the runs, in the order of the studies."""
    results = Path(config.results)
    backbones = [(name, config.backbones[name]) for name in used_backbones(config)]
    trainings = [
        (results / backbone_folder(config, name), backbone.steps, "")
        for name, backbone in backbones
        if isinstance(backbone, SmallBackbone)
    ]
    runs = [run for run in all_runs(config) if run.trained]
    varied = varied_settings(runs)
    trainings += [
        (results / "runs" / run.name, run.settings.steps, varied_text(varied[run.name])) for run in runs
    ]
    return [replace(training_status(folder, steps), varied=text) for folder, steps, text in trainings]


def training_status(folder: Path, steps: int) -> RunStatus:
    """The progress of the training that fills a folder. Only the manifest and file sizes are verified."""
    rows = _metrics(folder)
    last = rows[-1] if rows else {}
    facts: dict[str, Any] = {"reward": _number(last.get("reward")), "loss": _number(last.get("loss"))}
    if (folder / MANIFEST).exists():
        state: State = "complete" if _is_whole(folder) else "damaged"
        return RunStatus(folder.name, state, steps, steps, **facts)
    writer = writer_of(folder)
    if writer:
        recent = [seconds for row in rows[-_RECENT_STEPS:] if (seconds := _number(row.get("seconds")))]
        left = sum(recent) / len(recent) * (steps - len(rows)) if recent else None
        node = writer.get("slurm_node") or writer.get("host")
        job = writer.get("slurm_job")
        return RunStatus(folder.name, "training", len(rows), steps, left, **facts, node=node, job=job)
    # The folder's existence is not enough: Snakemake creates it before it starts a job.
    if has_lost_manifest(folder):
        return RunStatus(folder.name, "damaged", steps, steps, **facts)
    if mark_of(folder).exists() or _states(folder).exists():
        return RunStatus(folder.name, "interrupted", _saved_step(folder), steps, **facts)
    return RunStatus(folder.name, "waiting", 0, steps)


def status_table(found: Sequence[RunStatus]) -> Iterator[str]:
    """The lines of a table, and a last line with the totals."""
    rows = [COLUMNS, *map(_cells, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    states = [status.state for status in found]
    yield ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states)) or "no trainings"


def _cells(status: RunStatus) -> tuple[str, ...]:
    return (
        status.run,
        status.state,
        f"{status.step}/{status.steps}",
        _duration(status.seconds_left),
        "" if status.reward is None else f"{status.reward:.3f}",
        "" if status.loss is None else f"{status.loss:.4g}",
        status.node or "",
        status.job or "",
        status.varied,
    )


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _metrics(folder: Path) -> list[dict[str, str]]:
    """The complete lines of metrics.csv."""
    try:
        text = (folder / "metrics.csv").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    whole = text[: text.rfind("\n") + 1]
    try:
        return list(csv.DictReader(whole.splitlines()))
    except csv.Error:  # damaged; its readers say so
        return []


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _is_whole(folder: Path) -> bool:
    """Whether the manifest can be read and every file in it has the listed size."""
    try:
        files = read_manifest(folder)["files"]
        return all((folder / name).stat().st_size == entry["bytes"] for name, entry in files.items())
    except (UserError, OSError):
        return False


def _states(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.states")


def _saved_step(folder: Path) -> int:
    """The step of the newest complete state, that is, one with a manifest; 0 if there is none."""
    steps = (path.parent.name for path in _states(folder).glob(f"step-*/{MANIFEST}"))
    numbers = (step.removeprefix("step-") for step in steps)
    return max((int(number) for number in numbers if number.isdecimal()), default=0)
