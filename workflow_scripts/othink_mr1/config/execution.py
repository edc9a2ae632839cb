"""Execution: how a stage runs and the resources it requests. Never part of a run's identity."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from othink_mr1.config.strict import ConfigModel, Count, NonNegative, Positive
from othink_mr1.config.suggest import unknown_name

# accelerate's names; a test compares them. Importing accelerate here would cost each Snakemake start seconds.
TRACKERS = ("aim", "clearml", "comet_ml", "dvclive", "mlflow", "swanlab", "tensorboard", "trackio", "wandb")


class Resources(ConfigModel):
    """What one job requests; Slurm limits are derived from it."""

    cpus: Count
    memory_gb: Positive
    hours: Positive


class DeviceResources(Resources):
    """A job that computes with the model."""

    device: Literal["cuda", "cpu"]
    gpus: Annotated[int, Field(ge=0, le=64)] = Field(
        description="GPUs on each node of the job, with a process each. `pretrain` takes one"
    )
    nodes: Annotated[int, Field(ge=1, le=64)] = Field(
        default=1,
        description="machines of the job, each with cpus, memory_gb and gpus. More than 1 only by Slurm",
    )

    @model_validator(mode="after")
    def _has_the_gpus_it_needs(self) -> DeviceResources:
        if self.device == "cuda" and self.gpus == 0:
            raise ValueError("gpus: must be at least 1 when device is cuda, got 0")
        if self.nodes > 1 and self.gpus == 0:
            raise ValueError(f"gpus: must be at least 1 when nodes is {self.nodes}, got 0")
        return self

    @property
    def processes(self) -> int:
        """Processes of the job, on all nodes."""
        return max(1, self.gpus) * self.nodes

    @property
    def cpus_per_process(self) -> int:
        """CPUs that a process may use of its node's."""
        return max(1, self.cpus // max(1, self.gpus))

    @property
    def memory_gb_per_process(self) -> float:
        """Its part of its node's memory."""
        return self.memory_gb / max(1, self.gpus)


class TrainingExecution(DeviceResources):
    """Training jobs: the study's runs and the small backbone."""

    row_tokens: Count = Field(
        description="tokens of prompts and completions in one pass; memory grows with them"
    )
    gradient_checkpointing: bool
    sharding: Literal["none", "fsdp2"] = Field(
        default="none",
        description="`fsdp2`: each of a job's processes keeps its part of weights, gradients and moments, "
        "not all of them; with gradient_checkpointing. For a model that one GPU cannot train",
    )
    save_every_minutes: NonNegative = Field(
        description="minutes between two saved states; a killed job repeats these and the time to write one. "
        "0: after every step, which then waits until the state before is written"
    )
    trackers: list[str] = Field(description="programs that show the curves while it runs; [] for none")

    @model_validator(mode="after")
    def _sharding_is_among_several(self) -> TrainingExecution:
        if self.sharding != "none" and self.processes == 1:
            raise ValueError(f"sharding: must be none for one process, got {self.sharding}")
        return self

    @field_validator("trackers")
    @classmethod
    def _trackers_are_known(cls, names: list[str]) -> list[str]:
        for place, name in enumerate(names):
            if name not in TRACKERS:
                raise ValueError(f"{place}: {unknown_name('tracker', name, TRACKERS)}")
        return names


class GenerationExecution(DeviceResources):
    """Jobs that generate the test answers."""


class Execution(ConfigModel):
    """The presets of all stages."""

    data: Resources
    pretrain: TrainingExecution
    train: TrainingExecution
    generate: GenerationExecution
    analyse: Resources

    @model_validator(mode="after")
    def _pretraining_is_one_process(self) -> Execution:
        if self.pretrain.processes > 1:
            raise ValueError(
                f"pretrain: takes one GPU, got {self.pretrain.gpus} on each of {self.pretrain.nodes} nodes; "
                "set gpus and nodes to 1"
            )
        return self
