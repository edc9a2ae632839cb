"""The checkpoint that a user means: a folder, the beginning of a run's name, or all methods of a task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan.folders import backbone_folder
from othink_mr1.plan.runs import Run, all_runs, make_run

_NAMED = 5  # runs that a message lists


@dataclass(frozen=True)
class Checkpoint:
    """A folder with weights. task: what it was trained on, as far as that is known."""

    name: str
    folder: Path
    task: str | None


def checkpoint_in(folder: Path) -> Checkpoint:
    """The checkpoint in a folder; its run's manifest, beside it, tells the task. UserError if it is none."""
    if not (folder / "config.json").is_file():
        last = f"; the run's last one is {folder / 'checkpoint'}" if (folder / "checkpoint").is_dir() else ""
        raise UserError(f"{folder}: no checkpoint here (no config.json){last}")
    task = None
    if (folder.parent / MANIFEST).exists():
        run = read_manifest(folder.parent).get("run")
        task = run.get("task") if isinstance(run, dict) else None
    return Checkpoint(folder.parent.name if task else folder.name, folder, task)


def checkpoint_of_run(results: Path, name: str) -> Checkpoint:
    """The last checkpoint of the finished run whose name begins so. UserError for none, or several."""
    finished = sorted(path.parent for path in (results / "runs").glob(f"*/{MANIFEST}"))
    found = [folder for folder in finished if folder.name == name] or [
        folder for folder in finished if folder.name.startswith(name)
    ]
    if len(found) != 1:
        those = found or finished
        names = ", ".join(folder.name for folder in those[:_NAMED]) or "none"
        more = f" and {len(those) - _NAMED} more" if len(those) > _NAMED else ""
        what = "several runs begin so" if found else f"no finished run in {results} begins so"
        raise UserError(f"--run {name}: {what}: {names}{more}")
    return checkpoint_in(found[0] / "checkpoint")


def checkpoints_of_task(config: StudyConfig, task: str, seed: int | None) -> list[Checkpoint]:
    """The finished runs trained on a task with one seed (None: the lowest), and the untrained backbone first.

    Only those with a method's usual settings. UserError if none is finished.
    """
    results = Path(config.results)
    runs = [
        run
        for run in all_runs(config)
        if run.shown_task in (None, task) and _is_usual(config, run) and _is_finished(config, run)
    ]
    seeds = sorted({run.seed for run in runs if run.seed is not None})
    chosen = seed if seed is not None else (seeds[0] if seeds else None)
    found = []
    for run in sorted(runs, key=lambda run: run.trained):
        if run.seed not in (None, chosen):
            continue
        folder = results / "runs" / run.name / "checkpoint" if run.trained else _weights(config, run)
        found.append(Checkpoint(run.name, folder, run.task))
    if not any(checkpoint.task for checkpoint in found):
        wanted = f" with seed {seed}" if seed is not None else ""
        raise UserError(f"--compare: {results} has no finished run that was trained on {task}{wanted}")
    return found


def _is_usual(config: StudyConfig, run: Run) -> bool:
    """Whether a run has its method's settings as no study varies them."""
    return run.name == make_run(config, run.backbone, run.method, run.task, run.seed, {}).name


def _is_finished(config: StudyConfig, run: Run) -> bool:
    folder = Path(config.results, "runs", run.name) if run.trained else _weights(config, run)
    return (folder / MANIFEST).exists()


def _weights(config: StudyConfig, run: Run) -> Path:
    return Path(config.results, backbone_folder(config, run.weights))
