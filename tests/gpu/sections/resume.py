"""A training of the tiny model on this device, killed and gone on with, beside one that was left alone.

On a CPU both have the same weights to the bit; on a GPU that is measured, not promised.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import load_file

from gpu.record import Record
from gpu.shapes import Shapes
from othink_mr1.config.execution import TrainingExecution
from othink_mr1.data.examples import Example, write_examples
from othink_mr1.modeling.backbone import save_checkpoint
from othink_mr1.plan.runs import RunDescription
from othink_mr1.training.grpo_runs import train_grpo_run
from tiny import QUESTIONS, TEMPLATE, build_backbone, execution, grpo_settings, picture

STEPS = 12
SECONDS = 40.0  # of one training
RUN = RunDescription(
    name="counting-grpo-s7-0123456789",
    digest="0123456789",
    backbone="tiny",
    task="counting",
    method="grpo",
    seed=7,
    training_prompt=TEMPLATE,
    scorer="counting",
    # Two updates on each rollout, so that a state can be of the middle of one.
    settings=grpo_settings(steps=STEPS, checkpoint_steps=[4], updates_per_rollout=2, learning_rate=0.01),
)


def run(record: Record, shapes: Shapes) -> None:
    """Train twice, with SIGKILL in the middle of the second training; compare the weights."""
    # Each training is a process of its own, with its own use of the card; this one has none of it.
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        record.true(a_training_ends_well=_ended(_started(folder, "whole", shapes)) == 0)
        killed = _started(folder, "killed", shapes)
        metrics = folder / "killed" / "metrics.csv"
        until = time.monotonic() + SECONDS
        while killed.is_alive() and time.monotonic() < until and _lines(metrics) < STEPS // 2:
            time.sleep(0.005)
        os.kill(killed.pid or 0, signal.SIGKILL)
        record.note(killed_after_steps=_lines(metrics) - 1)
        record.true(it_was_killed_in_the_middle=_ended(killed) == -signal.SIGKILL)
        record.true(it_goes_on_to_its_end=_ended(_started(folder, "killed", shapes)) == 0)
        whole, resumed = (
            load_file(folder / name / "checkpoint" / "model.safetensors") for name in ("whole", "killed")
        )
        difference = max(float((whole[name] - resumed[name]).abs().max()) for name in whole)
        record.note(largest_difference_of_weights=difference)
        same = all(torch.equal(whole[name], resumed[name]) for name in whole)
        if shapes.device.type == "cpu":
            record.true(same_weights_to_the_bit=same)
        else:
            record.note(same_weights_to_the_bit=same)


def _started(folder: Path, name: str, shapes: Shapes) -> multiprocessing.process.BaseProcess:
    process = multiprocessing.get_context("fork").Process(
        target=_train, args=(folder, name, shapes.device.type)
    )
    process.start()
    return process


def _ended(process: multiprocessing.process.BaseProcess) -> int | None:
    process.join(SECONDS)
    return process.exitcode


def _lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines()) if file.exists() else 0


def _train(folder: Path, name: str, device: str) -> None:
    backbone, examples = folder / f"{name}-backbone", folder / f"{name}-examples.parquet"
    if not examples.exists():
        save_checkpoint(*build_backbone(), backbone)
        write_examples(
            [Example(str(n), picture(n % 5), QUESTIONS[n % 2], str(n % 5), None) for n in range(12)], examples
        )
    how: TrainingExecution = execution(device=device, gpus=int(device == "cuda"), save_every_minutes=0)
    # A random model earns no reward, and equal rewards move nothing.
    rewards = mock.patch(
        "othink_mr1.training.rewards.accuracy_rewards",
        lambda questions: [float(len(question.completion) % 2) for question in questions],
    )
    with rewards:
        train_grpo_run(RUN, how, examples, backbone, folder / name)
