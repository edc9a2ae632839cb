"""What jobs with the model will cost: by the manifests of like ones, or at most, by the config's limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import mean
from typing import Any

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.config.execution import DeviceResources
from othink_mr1.config.sources import SmallBackbone
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.study.jobs import Job
from othink_mr1.study.workflow import Study


@dataclass(frozen=True)
class Estimate:
    """Of the jobs of one stage. hours: of GPUs, or of single jobs on the CPU where the stage uses no GPU.

    likened: jobs with like ones that are done, and `hours` their sum. bounded: jobs without, and
    `at_most` the sum of the time limits that the config gives them.
    """

    stage: str
    unit: str
    likened: int
    hours: float
    bounded: int
    at_most: float

    def line(self) -> str:
        """For a reader."""
        parts = []
        if self.likened:
            parts.append(f"about {_rounded(self.hours)} {self.unit} by the manifests of like ones")
        if self.bounded:
            many = "" if not self.likened else f" for {self.bounded} without like ones"
            parts.append(
                f"at most {_rounded(self.at_most)} {self.unit}{many} by execution.{self.stage}.hours, as "
                "nothing like it was measured"
            )
        return f"{self.stage}: " + ", and ".join(parts)


def estimates(study: Study, jobs: Sequence[Job]) -> list[Estimate]:
    """An estimate for each stage that has jobs to do."""
    measured = _Measured(Path(study.config.results))
    found = []
    for stage, rule in (("pretrain", "pretrain_backbone"), ("train", "train_"), ("generate", "generate_")):
        execution: DeviceResources = getattr(study.config.execution, stage)
        to_do = [job for job in jobs if job.rule.startswith(rule)]
        hours = [_hours(study, stage, job, measured, execution) for job in to_do]
        known = [value for value in hours if value is not None]
        limit = execution.hours * max(1, execution.gpus)
        unit = "GPU-hours" if execution.gpus else "hours of one job at a time"
        without = len(hours) - len(known)
        if hours:
            found.append(Estimate(stage, unit, len(known), sum(known), without, without * limit))
    return found


@dataclass(frozen=True)
class _Like:
    """What a finished artefact took, per step if it has steps. kind: equal for those that cost alike."""

    kind: tuple[Any, ...]
    hours: float


class _Measured:
    """The manifests of a results root, read when they are needed."""

    def __init__(self, results: Path) -> None:
        self._results = results

    @cached_property
    def pretrain(self) -> list[_Like]:
        """Hours per step of each pretrained backbone."""
        manifests = self._read("backbones/*", "backbone")
        return [
            _Like(
                (device, about["hidden_size"], about["layers"], about["batch_size"]), hours / about["steps"]
            )
            for device, hours, about in manifests
            if about.get("kind") == "pretrained"
        ]

    @cached_property
    def train(self) -> list[_Like]:
        """Hours per step of each run."""
        return [
            _Like((device, about["task"], about["settings"]["trainer"]), hours / about["settings"]["steps"])
            for device, hours, about in self._read("runs/*", "run")
        ]

    @cached_property
    def generate(self) -> list[_Like]:
        """Hours of each folder of answers."""
        return [
            _Like((device, about["name"]), hours)
            for device, hours, about in self._read("answers/*/*", "task")
        ]

    def _read(self, pattern: str, key: str) -> Iterator[tuple[str, float, dict[str, Any]]]:
        """Device, hours, and what the manifest's key says, of each finished folder that tells them."""
        for path in sorted(self._results.glob(f"{pattern}/{MANIFEST}")):
            try:
                manifest = read_manifest(path.parent)
            except UserError:
                continue  # `make verify` is there to tell of damage
            execution, about = manifest.get("execution"), manifest.get(key)
            if not isinstance(execution, dict) or not isinstance(about, dict):
                continue
            hours = manifest["gpu_hours"] if execution["gpus"] else manifest["wall_seconds"] / 3600
            yield execution["device"], hours, about


def _hours(
    study: Study, stage: str, job: Job, measured: _Measured, execution: DeviceResources
) -> float | None:
    """The mean of the like ones; None if there are none."""
    kinds, steps = _kinds(study, stage, job, execution.device)
    likes: list[_Like] = getattr(measured, stage)
    means = []
    for kind in kinds:
        alike = [like.hours for like in likes if like.kind == kind]
        if not alike:
            return None
        means.append(mean(alike))
    return sum(means) * steps


def _kinds(study: Study, stage: str, job: Job, device: str) -> tuple[list[tuple[Any, ...]], int]:
    """Of what kinds a job's parts are, and its steps."""
    config: StudyConfig = study.config
    name = job.name.split("/", 1)[1]
    if stage == "train":
        run = study.runs[name]
        return [(device, run.task, run.settings.trainer)], run.settings.steps
    if stage == "pretrain":
        backbone = config.backbones[study.backbones[name]]
        assert isinstance(backbone, SmallBackbone)
        sizes = (backbone.hidden_size, backbone.layers, backbone.batch_size)
        return [(device, *sizes)], backbone.steps
    there = Path(config.results)
    folders = [file.split("/")[2] for file in job.outputs if not (there / file).exists()]
    return [(device, study.tested_tasks[folder]) for folder in folders], 1


def _rounded(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"
