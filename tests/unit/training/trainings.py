"""Trainings of the tiny backbone on the tiny set: made once, or started as often as a test likes."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from othink_mr1.config.methods import GRPO, SFT
from othink_mr1.errors import Interrupted
from othink_mr1.training.grpo_runs import train_grpo_run
from othink_mr1.training.sft_runs import train_sft_run
from tiny import description, execution, grpo_settings, sft_settings

FUNCTIONS = {"sft": train_sft_run, "grpo": train_grpo_run}
SETTINGS = {"sft": sft_settings, "grpo": grpo_settings}
TRAINERS = list(FUNCTIONS)
STEPS = 6
# Two updates on each rollout: after an odd step the state is in the middle of one.
INTERRUPTED_SETTINGS = {
    "sft": sft_settings(steps=STEPS, checkpoint_steps=[2, 4]),
    "grpo": grpo_settings(steps=STEPS, checkpoint_steps=[2, 4], updates_per_rollout=2, learning_rate=0.01),
}
# What each trainer calls once a step, in othink_mr1.training.
BATCHES = {"sft": "supervised.supervised_backward", "grpo": "grpo.grpo_backward"}


@dataclass
class Run:
    """One run of a trainer, started as often as a test likes."""

    settings: SFT | GRPO
    backbone: Path
    examples_file: Path
    output: Path

    @property
    def states(self) -> Path:
        return self.output.with_name(f".{self.output.name}.states")

    def start(self, **changes: Any) -> Path:
        how = execution(**changes)
        train = FUNCTIONS[self.settings.trainer]
        train(description(self.settings), how, self.examples_file, self.backbone, self.output)
        return self.output

    def copied(self, folder: Path) -> Run:
        """The same run in that folder, with its states, to be changed there."""
        shutil.copytree(self.output, folder / self.output.name)
        shutil.copytree(self.states, folder / self.states.name)
        (folder / f".{self.output.name}.artefact").touch()
        return replace(self, output=folder / self.output.name)


Train = Callable[..., Path]
NewRun = Callable[..., Run]
StoppedRun = Callable[[str, int], Run]


def one_step(trainer: str, **changes: Any) -> SFT | GRPO:
    """Settings of a training whose single step samples from the same weights as another's."""
    return SETTINGS[trainer](steps=1, checkpoint_steps=[], **changes)


def let_rewards_differ(patch: pytest.MonkeyPatch) -> None:
    """A tiny random model earns no real reward, and equal rewards move nothing."""
    patch.setattr(
        "othink_mr1.training.rewards.accuracy_rewards",
        lambda questions: [float(len(question.completion) % 2) for question in questions],
    )


def interrupted(
    patch: pytest.MonkeyPatch,
    place: str,
    call: int,
    start: Callable[[], object],
    number: int = signal.SIGTERM,
) -> Interrupted:
    """Start a training; the signal comes at the given call of a function, `module.function` of training."""
    name = f"othink_mr1.training.{place}"
    calls: list[int] = []

    def signalled(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), number)
        return function(*arguments)

    module, _, attribute = name.rpartition(".")
    function = getattr(importlib.import_module(module), attribute)
    with patch.context() as context:
        context.setattr(name, signalled)
        with pytest.raises(Interrupted) as caught:
            start()
    return caught.value
