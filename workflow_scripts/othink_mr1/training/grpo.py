"""GRPO and GRPO-D: roll out, reward, compare within groups, update; the KL weight follows its schedule.

Departures from the paper, which leaves these open: the reference is the backbone throughout; its
log-probabilities are not computed when the KL weight is constantly 0 (the log's kl is empty then).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.processor import Qwen2VLProcessor
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.study.execution import TrainingExecution
from othink_mr1.study.methods import GRPO, ConstantKL
from othink_mr1.training.advantages import group_advantages
from othink_mr1.training.kl_schedule import kl_weight
from othink_mr1.training.log_probabilities import completion_log_probabilities
from othink_mr1.training.loss import completion_means, token_losses
from othink_mr1.training.optimisation import Optimisation, autocast, prepare_for_training
from othink_mr1.training.rewards import Rewards, score_completions
from othink_mr1.training.rollout import Rollout, roll_out
from othink_mr1.training.training_log import TrainingLog

COLUMNS = (
    "learning_rate",
    "kl_weight",
    "loss",
    "kl",
    "reward",
    "accuracy_reward",
    "format_reward",
    "reward_std",
    "zero_std_fraction",
    "completion_tokens",
    "truncated_fraction",
    "clip_fraction",
    "gradient_norm",
)


@dataclass(frozen=True)
class Question:
    """A prompt and the gold answer by which its completions are rewarded."""

    prompt: Prompt
    gold: str


@dataclass(frozen=True)
class UpdateSums:
    """What one pass over a rollout's completions gives, next to the gradient."""

    loss: float
    kl: float | None  # mean over completions of the token mean, nats
    clip_fraction: float  # likewise
    log_probabilities: list[Tensor]  # per micro-batch, without gradient


def train_grpo(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    settings: GRPO,
    execution: TrainingExecution,
    seed: int,
    scorer: str,
    questions_of: Callable[[int], list[Question]],
    log: TrainingLog,
    after_step: Callable[[int], None],
) -> None:
    """Make settings.steps optimiser updates.

    questions_of gives the questions of a rollout (counted from 1); after_step may save the weights.
    """
    reference = _reference(model, settings)
    prepare_for_training(model, settings.train_vision_tower, execution.gradient_checkpointing)
    optimisation = Optimisation(model, settings)
    for rollout_number in range(1, settings.steps // settings.updates_per_rollout + 1):
        questions = questions_of(rollout_number)
        prompts = [question.prompt for question in questions]
        model.eval()
        with autocast(settings.precision, model.device):
            rollout = roll_out(model, processor, prompts, settings, seed, rollout_number)
        golds = [questions[owner].gold for owner in rollout.owners]
        rewards = score_completions(
            rollout.texts, golds, scorer, settings.reward_scorer, settings.format_weight
        )
        advantages = group_advantages(rewards.total.view(-1, settings.group_size), settings.advantage_epsilon)
        batches = _micro_batches(rollout, execution.micro_batch)
        reference_log_probabilities = _without_gradient(reference, prompts, batches, settings)

        model.train()
        old_log_probabilities: Sequence[Tensor] | None = None
        for update in range(1, settings.updates_per_rollout + 1):
            step = (rollout_number - 1) * settings.updates_per_rollout + update
            beta = kl_weight(settings.kl_schedule, step, settings.steps)
            sums = grpo_backward(
                model,
                prompts,
                batches,
                advantages.flatten().to(model.device),
                old_log_probabilities,
                reference_log_probabilities,
                settings,
                beta,
            )
            # The first update is on-policy: its own log-probabilities are those that sampled.
            old_log_probabilities = old_log_probabilities or sums.log_probabilities
            rate, norm = optimisation.update(step)
            values = {
                "learning_rate": rate,
                "kl_weight": beta,
                "loss": sums.loss,
                "kl": sums.kl,
                **_reward_metrics(rewards, settings.group_size),
                **_length_metrics(rollout),
                "clip_fraction": sums.clip_fraction,
                "gradient_norm": norm,
            }
            log.step(step, values)
            after_step(step)


@dataclass(frozen=True)
class MicroBatch:
    """The completions of one forward and backward pass: a slice of the rollout's."""

    completions: Sequence[list[int]]
    owners: Sequence[int]
    start: int


def _micro_batches(rollout: Rollout, size: int) -> list[MicroBatch]:
    return [
        MicroBatch(rollout.completions[start : start + size], rollout.owners[start : start + size], start)
        for start in range(0, len(rollout.completions), size)
    ]


def _reference(
    model: Qwen2VLForConditionalGeneration, settings: GRPO
) -> Qwen2VLForConditionalGeneration | None:
    """A frozen copy of the model as it is before training, if the KL penalty ever counts."""
    if isinstance(settings.kl_schedule, ConstantKL) and settings.kl_schedule.weight == 0:
        return None
    return copy.deepcopy(model).requires_grad_(False).eval()


@torch.no_grad()
def _without_gradient(
    model: Qwen2VLForConditionalGeneration | None,
    prompts: Sequence[Prompt],
    batches: Sequence[MicroBatch],
    settings: GRPO,
) -> list[Tensor] | None:
    """Log-probabilities per micro-batch under a model, or None without one."""
    if model is None:
        return None
    with autocast(settings.precision, model.device):
        return [
            completion_log_probabilities(
                model, prompts, batch.completions, batch.owners, settings.temperature
            )
            for batch in batches
        ]


def grpo_backward(
    model: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    batches: Sequence[MicroBatch],
    advantages: Tensor,
    old_log_probabilities: Sequence[Tensor] | None,
    reference_log_probabilities: Sequence[Tensor] | None,
    settings: GRPO,
    beta: float,
) -> UpdateSums:
    """Add the gradient of eq. 4's loss, a mean over all completions of their token means.

    advantages: [completions]. old_log_probabilities: per micro-batch; None on the first, on-policy update.
    Any division into micro-batches gives the same up to rounding.
    """
    total = sum(len(batch.completions) for batch in batches)
    loss_sum, kl_sum, clip_sum, collected = 0.0, 0.0, 0.0, []
    for index, batch in enumerate(batches):
        with autocast(settings.precision, model.device):
            log_probabilities = completion_log_probabilities(
                model, prompts, batch.completions, batch.owners, settings.temperature
            )  # [completions, tokens]
        collected.append(log_probabilities.detach())
        terms = token_losses(
            log_probabilities,
            collected[index] if old_log_probabilities is None else old_log_probabilities[index],
            None if reference_log_probabilities is None else reference_log_probabilities[index],
            advantages[batch.start : batch.start + len(batch.completions)],
            settings.clip_range,
            beta,
        )
        lengths = torch.tensor([len(completion) for completion in batch.completions], device=model.device)
        loss = completion_means(terms.loss, lengths).sum() / total
        loss.backward()
        loss_sum += loss.item()
        clip_sum += completion_means(terms.clipped, lengths).sum().item()
        if terms.kl is not None:
            kl_sum += completion_means(terms.kl.detach(), lengths).sum().item()
    kl = None if reference_log_probabilities is None else kl_sum / total
    return UpdateSums(loss_sum, kl, clip_sum / total, collected)


def _reward_metrics(rewards: Rewards, group_size: int) -> dict[str, float]:
    """Means over the rollout; reward_std is the mean of the groups' standard deviations."""
    spread = rewards.total.view(-1, group_size).std(dim=1, correction=1)  # [prompts]
    return {
        "reward": rewards.total.mean().item(),
        "accuracy_reward": rewards.accuracy.mean().item(),
        "format_reward": rewards.format.mean().item(),
        "reward_std": spread.mean().item(),
        "zero_std_fraction": (spread == 0).float().mean().item(),
    }


def _length_metrics(rollout: Rollout) -> dict[str, float]:
    count = len(rollout.completions)
    return {
        "completion_tokens": sum(len(completion) for completion in rollout.completions) / count,
        "truncated_fraction": sum(rollout.truncated) / count,
    }
