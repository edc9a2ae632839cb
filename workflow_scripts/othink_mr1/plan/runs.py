"""Runs: the points of the study's grids, each with its identity and the name of its folder.

The only place from which the Snakefile and the command line tools get their runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from othink_mr1.config.methods import GRPO, ConstantKL, MethodSettings, NoTraining
from othink_mr1.config.settings import flat, merged_settings, validate_settings, with_changes
from othink_mr1.config.strict import Strict
from othink_mr1.config.study import StudyConfig, StudyGrid
from othink_mr1.errors import UserError
from othink_mr1.plan import versions
from othink_mr1.plan.identity import backbone_identity, data_identity, digest, written
from othink_mr1.plan.per_config import per_config


class RunDescription(Strict):
    """Everything that a training program is told about its run, besides files and execution."""

    name: str
    digest: str
    backbone: str
    task: str
    method: str
    seed: int
    training_prompt: str
    scorer: str
    settings: MethodSettings


@dataclass(frozen=True)
class Run:
    """backbone x task x method x settings x seed. A method without training has neither task nor seed.

    weights: the backbone whose weights the run starts from, or has: its own for another's checkpoint.
    shown_task: the task, or that on which others trained the checkpoint.
    """

    backbone: str
    task: str | None
    method: str
    seed: int | None
    settings: Any
    name: str
    digest: str
    point: str  # digest of the identity without the seed: exactly the runs of one point are averaged

    @property
    def weights(self) -> str:
        return getattr(self.settings, "backbone", None) or self.backbone

    @property
    def shown_task(self) -> str | None:
        return getattr(self.settings, "trained_on", None) or self.task

    @property
    def trained(self) -> bool:
        """False for the untrained backbone."""
        return not isinstance(self.settings, NoTraining)

    @property
    def checkpoint_steps(self) -> tuple[int, ...]:
        """Steps before the last whose weights are kept."""
        if not self.trained:
            return ()
        return tuple(step for step in self.settings.checkpoint_steps if step < self.settings.steps)


@per_config
def grid_runs(config: StudyConfig, study: str) -> list[Run]:
    """The runs of one study, in the order of its exhibits, each once."""
    grid = config.studies[study]
    runs = {}
    for backbone in grid.backbones or [config.backbone]:
        for method in grid.methods:
            for task, seed in _points(config, grid, method):
                for changes in grid.combinations(method):
                    run = make_run(config, backbone, method, task, seed, changes)
                    runs[method, run.name] = run  # methods without training have the backbone's name
    return list(runs.values())


@per_config
def all_runs(config: StudyConfig) -> list[Run]:
    """Every run of every study, each once. UserError for two tasks and methods whose runs have one name."""
    runs: dict[str, Run] = {}
    for run in (run for study in config.studies for run in grid_runs(config, study)):
        other = runs.get(run.name, run)
        if run.trained and (other.task, other.method) != (run.task, run.method):
            raise UserError(
                f"{other.task} by {other.method} and {run.task} by {run.method}: both runs are called "
                f"{run.name}; give a task or a method another name"
            )
        runs[run.name] = run
    return list(runs.values())


def make_run(
    config: StudyConfig,
    backbone: str,
    method: str,
    task: str | None,
    seed: int | None,
    changes: dict[str, Any],
) -> Run:
    """One run. `changes` (path -> value) are applied to the method's settings for the task."""
    usual = _usual_settings(config, method, task)
    if isinstance(usual, NoTraining):
        weights = backbone_identity(config, usual.backbone or backbone)
        identity = digest({"backbone": weights})
        # A checkpoint of another's is the same with each of the study's backbones.
        own = ["base", *_backbone_part(config, backbone)] if usual.backbone is None else [usual.backbone]
        point = digest({"backbone": weights, "names": [backbone, method]})
        return Run(backbone, None, method, None, usual, "-".join([*own, identity]), identity, point)
    assert task is not None
    assert seed is not None
    settings = validate_settings(with_changes(usual.model_dump(), changes))
    payload = _run_identity(config, backbone, task, seed, settings)
    identity = digest(payload)
    # Includes the names by which exhibits distinguish rows: two methods may have the same settings.
    point = digest(payload | {"seed": None, "names": [backbone, task, method]})
    parts = [task, method, *_backbone_part(config, backbone), *_shown_weights(settings), f"s{seed}", identity]
    return Run(backbone, task, method, seed, settings, "-".join(parts), identity, point)


def varied_settings(runs: Iterable[Run]) -> dict[str, dict[str, str]]:
    """Run name -> the settings (path -> value) that vary among the runs of its backbone, method and task."""
    groups: dict[tuple[str, str, str | None], dict[str, dict[str, str]]] = {}
    for run in runs:
        group = groups.setdefault((run.backbone, run.method, run.task), {})
        settings = flat(run.settings.model_dump(mode="json"))
        group[run.name] = {path: _shown(value) for path, value in settings.items()}
    found = {}
    for group in groups.values():
        paths = dict.fromkeys(path for leaves in group.values() for path in leaves)
        varied = [path for path in paths if len({leaves.get(path) for leaves in group.values()}) > 1]
        for name, leaves in group.items():
            found[name] = {path: leaves[path] for path in varied if path in leaves}
    return found


def varied_text(varied: Mapping[str, str]) -> str:
    """For a cell or a label: `learning_rate=0.001; batch_size=4`."""
    return "; ".join(f"{path}={value}" for path, value in varied.items())


def _shown(value: Any) -> str:
    """A number in short form, but different for different numbers."""
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)


@per_config
def _usual_settings(config: StudyConfig, method: str, task: str | None) -> Any:
    return validate_settings(merged_settings(config.methods, method, task))


def description(config: StudyConfig, run: Run) -> RunDescription:
    """The description that the run's training job receives."""
    assert run.task is not None
    assert run.seed is not None
    task = config.tasks[run.task]
    return RunDescription(
        name=run.name,
        digest=run.digest,
        backbone=run.backbone,
        task=run.task,
        method=run.method,
        seed=run.seed,
        training_prompt=task.train_prompt,
        scorer=task.scorer,
        settings=run.settings,
    )


def _points(config: StudyConfig, grid: StudyGrid, method: str) -> Iterator[tuple[str | None, int | None]]:
    if merged_settings(config.methods, method, None).get("trainer") == "none":
        yield None, None
        return
    of_choice = grid.choice.seeds if grid.choice else []
    yield from itertools.product(grid.tasks, [*of_choice, *(grid.seeds or config.seeds)])


def _run_identity(config: StudyConfig, backbone: str, task: str, seed: int, settings: Any) -> dict[str, Any]:
    declared = config.tasks[task]
    payload = {
        "settings": written(settings),
        "backbone": backbone_identity(config, backbone),
        "data": data_identity(config, declared.train),
        "prompt": declared.train_prompt,
        "seed": seed,
        "version": versions.TRAINING,
    }
    if isinstance(settings, GRPO):
        reward = {"scorer": declared.scorer, "version": versions.REWARD}
        exact = {"exact": versions.EXACT_REWARD} if settings.reward_scorer == "exact" else {}
        payload["reward"] = reward | exact
    return payload


def _backbone_part(config: StudyConfig, backbone: str) -> list[str]:
    return [] if backbone == config.backbone else [backbone]


def _shown_weights(settings: Any) -> list[str]:
    """The part of a GRPO run's name that shows α and a constant β.

    Always shown, so that the name depends only on the run. If the method's usual value were left out,
    changing that value in the config would rename the run, and it would be trained again.
    """
    if not isinstance(settings, GRPO):
        return []
    shown = [f"alpha{settings.format_weight:g}"]
    if isinstance(settings.kl_schedule, ConstantKL):
        shown.append(f"beta{settings.kl_schedule.weight:g}")
    return shown
