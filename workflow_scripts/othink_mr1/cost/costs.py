"""What one training, pretraining or evaluation costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.methods import GRPO, SFT
from othink_mr1.config.sources import SmallBackbone
from othink_mr1.config.study import StudyConfig
from othink_mr1.cost.assumptions import (
    ANSWER_TOKENS,
    EVALUATION_BATCH,
    MEAN_BY_LONGEST,
    R1V_SYSTEM_TOKENS,
    SHARE_OF_BANDWIDTH,
    SHARE_OF_PEAK,
)
from othink_mr1.cost.cards import Card
from othink_mr1.cost.disk import checkpoint_bytes, states_bytes
from othink_mr1.cost.flops import Lengths, decoding, forward, prefill
from othink_mr1.cost.memory import (
    copy_bytes,
    decoding_bytes,
    evaluation_memory,
    fullest_row,
    part_of_group,
    read_bytes,
    training_memory,
)
from othink_mr1.cost.model_shape import ModelShape, backbone_shape
from othink_mr1.cost.set_lengths import SetLengths, set_items, set_lengths
from othink_mr1.plan.evaluations import Evaluation
from othink_mr1.plan.runs import Run


@dataclass(frozen=True)
class Cost:
    """Operations, bytes. decoded, read: operations and bytes of memory traffic of decoding, token by token.

    gpu: peak of a GPU's memory; stays, states: on disk, after and during a training.
    """

    flop: float
    decoded: float
    read: float
    gpu: float
    stays: float
    states: float

    def hours(self, card: Card) -> float:
        """GPU-hours, with the assumed shares of what the card can do. Decoding is bound by either."""
        flop_per_second = card.tflops * 1e12 * SHARE_OF_PEAK
        bytes_per_second = card.terabytes_per_second * 1e12 * SHARE_OF_BANDWIDTH
        products = (self.flop - self.decoded) / flop_per_second
        return (products + max(self.decoded / flop_per_second, self.read / bytes_per_second)) / 3600


def run_cost(config: StudyConfig, run: Run) -> Cost:
    """A training's cost. UserError if the backbone's size is not known yet."""
    assert run.task is not None
    shape = backbone_shape(config, run.backbone)
    lengths = set_lengths(config, config.tasks[run.task].train)
    settings, execution = run.settings, config.execution.train
    kept = len(run.checkpoint_steps) + 1
    if isinstance(settings, GRPO):
        return _grpo(shape, settings, execution, lengths, kept)
    return _supervised(shape, settings, execution, _lesson(settings, lengths), kept)


def pretraining_cost(config: StudyConfig, name: str) -> Cost:
    """The cost of making a small backbone: SFT on the mean of its own sources."""
    backbone = config.backbones[name]
    assert isinstance(backbone, SmallBackbone)
    shares = list(backbone.pretraining.values())
    total = sum(share.share for share in shares)
    found = [(share.share / total, set_lengths(config, share.source)) for share in shares]
    lengths = Lengths(
        sum(part * one.image for part, one in found),
        sum(part * one.prompt for part, one in found),
        1,
        sum(part * one.reasoning for part, one in found) + ANSWER_TOKENS,
    )
    settings = SimpleNamespace(
        steps=backbone.steps,
        batch_size=backbone.batch_size,
        precision="fp32",
        train_vision_tower=True,
        checkpoint_precision="fp32",
    )
    return _supervised(backbone_shape(config, name), settings, config.execution.pretrain, lengths, 1)


def evaluation_cost(config: StudyConfig, evaluation: Evaluation) -> Cost:
    """An evaluation's cost; its answers take no disk to speak of."""
    shape = backbone_shape(config, evaluation.run.weights)
    task = config.tasks[evaluation.tested_on]
    of_set = set_lengths(config, task.test)
    items = set_items(config, task.test)
    processes = config.execution.generate.processes
    own_items = math.ceil(items / processes)
    batch = min(own_items, EVALUATION_BATCH)
    longest, precision = task.max_new_tokens, config.evaluation.precision
    lengths = Lengths(of_set.image, of_set.prompt, 1, MEAN_BY_LONGEST * longest)
    decoded = items * decoding(shape, lengths)
    steps = processes * max(longest, own_items * lengths.completion_tokens / batch)
    return Cost(
        flop=items * prefill(shape, lengths) + decoded,
        decoded=decoded,
        read=steps * copy_bytes(shape, precision) + items * read_bytes(shape, precision, lengths),
        gpu=evaluation_memory(shape, precision, batch, lengths.prompt_tokens, longest),
        stays=0.0,
        states=0.0,
    )


def _grpo(
    shape: ModelShape, settings: GRPO, execution: TrainingExecution, of_set: SetLengths, kept: int
) -> Cost:
    longest = settings.max_completion_tokens
    lengths = Lengths(of_set.image, of_set.prompt, settings.group_size, MEAN_BY_LONGEST * longest)
    prompts, tower = settings.prompts_per_step, settings.train_vision_tower
    own_prompts = math.ceil(prompts / execution.processes)
    rollouts = math.ceil(settings.steps / settings.updates_per_rollout)
    part = part_of_group(lengths, execution.row_tokens)
    parts = prompts * lengths.completions / part.completions
    packed = forward(shape, part, encode_image=tower)
    decoded = rollouts * prompts * decoding(shape, lengths)
    reference = packed.total if settings.has_reference else 0.0
    updates = settings.steps * parts * packed.with_backward(execution.gradient_checkpointing)
    rolled_out = decoding_bytes(
        shape, settings.precision, own_prompts, lengths.prompt_tokens, settings.group_size, longest
    )
    memory = training_memory(
        shape,
        fullest_row(lengths, own_prompts, execution.row_tokens, tower),
        precision=settings.precision,
        train_vision_tower=tower,
        gradient_checkpointing=execution.gradient_checkpointing,
        has_reference=settings.has_reference,
        decoding=rolled_out,
        sharing=_sharing(execution),
    )
    return Cost(
        flop=updates + decoded + rollouts * (prompts * prefill(shape, lengths) + parts * reference),
        decoded=decoded,
        read=rollouts
        * (
            execution.processes * longest * copy_bytes(shape, settings.precision)
            + prompts * read_bytes(shape, settings.precision, lengths)
        ),
        gpu=memory.peak,
        stays=kept * checkpoint_bytes(shape, settings),
        states=states_bytes(shape, tower),
    )


def _supervised(
    shape: ModelShape, settings: Any, execution: TrainingExecution, lengths: Lengths, kept: int
) -> Cost:
    tower = settings.train_vision_tower
    packed = forward(shape, lengths, encode_image=tower)
    of_example = packed.with_backward(execution.gradient_checkpointing)
    if not tower:  # encoded once, apart
        of_example += forward(shape, lengths).total - packed.total
    own_examples = math.ceil(settings.batch_size / execution.processes)
    memory = training_memory(
        shape,
        fullest_row(lengths, own_examples, execution.row_tokens, tower),
        precision=settings.precision,
        train_vision_tower=tower,
        gradient_checkpointing=execution.gradient_checkpointing,
        has_reference=False,
        decoding=0.0,
        sharing=_sharing(execution),
    )
    return Cost(
        flop=settings.steps * settings.batch_size * of_example,
        decoded=0.0,
        read=0.0,
        gpu=memory.peak,
        stays=kept * checkpoint_bytes(shape, settings),
        states=states_bytes(shape, tower),
    )


def _sharing(execution: TrainingExecution) -> int:
    """Processes among which the trained weights are divided."""
    return execution.processes if execution.sharding == "fsdp2" else 1


def _lesson(settings: SFT, of_set: SetLengths) -> Lengths:
    """What SFT learns of an example."""
    if settings.target == "r1v":
        dialogue = of_set.prompt + R1V_SYSTEM_TOKENS + of_set.reasoning + ANSWER_TOKENS
        return Lengths(of_set.image, dialogue, 0, 0.0, learned=dialogue - of_set.image)
    reasoning = of_set.reasoning if settings.target == "reasoning" else 0
    return Lengths(of_set.image, of_set.prompt, 1, reasoning + ANSWER_TOKENS)
