"""GRPO and GRPO-D: roll out, reward, compare within groups, update; the KL weight follows its schedule.

Our choices where the paper says nothing: the reference is always the backbone; its log-probabilities are not
computed if the KL weight is always 0 (the log's kl is then empty).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.methods import GRPO
from othink_mr1.modeling.packed_rows import Group, PackedRow, fill_rows, pack
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.processes import ALONE, Processes
from othink_mr1.modeling.processor import Qwen2VLProcessor
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.training.advantages import all_equal, group_advantages
from othink_mr1.training.divergence import naming_the_step, require_finite
from othink_mr1.training.experience import Experience, by_completions, by_rows
from othink_mr1.training.kl_schedule import KLWeights
from othink_mr1.training.log_probabilities import completion_log_probabilities
from othink_mr1.training.loss import completion_means, token_losses
from othink_mr1.training.optimisation import Optimisation, prepare_for_training
from othink_mr1.training.reference import make_reference
from othink_mr1.training.rewards import Rewards, score_completions
from othink_mr1.training.rollout import roll_out
from othink_mr1.training.session import Session
from othink_mr1.training.sharding import adding_up_gradients, is_sharded, shard, whole_weights
from othink_mr1.training.training_state import Carried

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
    """A prompt and the gold answer against which its completions are rewarded."""

    prompt: Prompt
    gold: str


@dataclass(frozen=True)
class UpdateSums:
    """What one pass over a rollout's completions computes, besides the gradient."""

    loss: float
    kl: float | None  # mean over completions of the token mean, nats
    clip_fraction: float  # likewise
    log_probabilities: list[Tensor]  # per row, without gradient


def train_grpo(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    settings: GRPO,
    execution: TrainingExecution,
    seed: int,
    scorer: str,
    questions_of: Callable[[int], list[Question]],
    session: Session,
) -> None:
    """Make the session's remaining updates.

    questions_of: rollout number (from 1) -> its questions, in several processes this one's share of them.
    """
    processes = session.processes
    reference = make_reference(model, settings)
    prepare_for_training(model, settings.train_vision_tower, execution.gradient_checkpointing)
    if execution.sharding == "fsdp2":
        shard(model, processes)
    optimisation = Optimisation(session.accelerator, model, settings)
    experience: Experience | None = None
    weights: KLWeights | None = None
    for step in session.steps(optimisation):
        if weights is None:
            weights = KLWeights(settings.kl_schedule, settings.steps, session.carried.notes)
        rollout_number, update = (number + 1 for number in divmod(step - 1, settings.updates_per_rollout))
        with session.interruptible(), naming_the_step(step, settings):
            if update == 1 or experience is None:
                questions = questions_of(rollout_number)
                prompts = [question.prompt for question in questions]
                if update == 1:
                    before = processes.before(settings.prompts_per_step)
                    experience = _gather(
                        model, processor, settings, seed, scorer, questions, rollout_number, before
                    )
                else:  # the run resumes between the updates on a rollout
                    experience = Experience.carried(
                        session.carried, model.device, settings.prompts_per_step, processes
                    )
                rows = packed_rollout(prompts, experience.completions, execution.row_tokens, model.device)
                reference_log_probabilities = _without_gradient(reference, rows, settings)
                advantages = group_advantages(
                    experience.rewards.total.view(-1, settings.group_size), settings.advantage_epsilon
                )
            model.train()
            beta = weights.at(step)
            old = experience.old_log_probabilities
            sums = grpo_backward(
                session.accelerator,
                model,
                rows,
                advantages.flatten().to(model.device),
                None if old is None else by_rows(old, rows),
                reference_log_probabilities,
                settings,
                beta,
                processes,
            )
        require_finite(step, settings, loss=sums.loss)
        rate, norm = optimisation.update(step)
        weights.observe(sums.kl)
        if experience.old_log_probabilities is None:
            # The first update is on-policy: its own log-probabilities are those of the sampling policy.
            experience = replace(
                experience, old_log_probabilities=by_completions(sums.log_probabilities, rows)
            )
        values = {
            "learning_rate": rate,
            "kl_weight": beta,
            "loss": sums.loss,
            "kl": sums.kl,
            **_reward_metrics(experience.joined_rewards(processes), settings.group_size),
            **_length_metrics(experience, processes),
            "clip_fraction": sums.clip_fraction,
            "gradient_norm": norm,
        }
        is_last_update = update == settings.updates_per_rollout
        carried = Carried() if is_last_update else experience.to_carry(processes)
        session.finish_step(step, values, carried.with_notes(weights.notes()))


def _gather(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    settings: GRPO,
    seed: int,
    scorer: str,
    questions: Sequence[Question],
    rollout_number: int,
    before: int,
) -> Experience:
    """Roll out and reward. before: how many of the rollout's questions other processes have before these."""
    model.eval()
    with autocast(settings.precision, model.device), whole_weights(model):
        prompts = [question.prompt for question in questions]
        rollout = roll_out(model, processor, prompts, settings, seed, rollout_number, before)
    golds = [questions[owner].gold for owner in rollout.owners]
    place = before * settings.group_size
    rewards = score_completions(rollout.texts, golds, scorer, settings, seed, rollout_number, place)
    return Experience(rollout.completions, rollout.truncated, rewards)


def packed_rollout(
    prompts: Sequence[Prompt], completions: Sequence[list[int]], row_tokens: int, device: torch.device
) -> list[PackedRow]:
    """A rollout in packed rows of at most row_tokens, made once for the reference and all updates.

    completions: prompts x group size, a group's next to each other; the rows keep this order.
    """
    group_size = len(completions) // len(prompts)
    groups = [
        Group(prompt, completions[index * group_size : (index + 1) * group_size])
        for index, prompt in enumerate(prompts)
    ]
    return [pack(row, device) for row in fill_rows(groups, row_tokens)]


@torch.no_grad()
def _without_gradient(
    model: Qwen2VLForConditionalGeneration | None, rows: Sequence[PackedRow], settings: GRPO
) -> list[Tensor] | None:
    """Log-probabilities per row under a model, or None if there is no model."""
    if model is None:
        return None
    with autocast(settings.precision, model.device):
        return [completion_log_probabilities(model, row, settings.temperature) for row in rows]


def grpo_backward(
    accelerator: Accelerator,
    model: Qwen2VLForConditionalGeneration,
    rows: Sequence[PackedRow],
    advantages: Tensor,
    old_log_probabilities: Sequence[Tensor] | None,
    reference_log_probabilities: Sequence[Tensor] | None,
    settings: GRPO,
    beta: float,
    processes: Processes = ALONE,
) -> UpdateSums:
    """Add the gradient of eq. 4's loss, a mean over all completions of their token means.

    advantages: [completions], in the rows' order. old_log_probabilities: per row; None on the first,
    on-policy update. In several processes each has rows of its own, and the mean is over all. The division
    into rows and processes changes the result only by rounding.
    """
    (total,) = processes.total(len(advantages))
    loss_sum, kl_sum, clip_sum, collected = 0.0, 0.0, 0.0, []
    with adding_up_gradients(model, len(rows), lambda: rows[0], settings.precision, processes):
        for index, (row, row_advantages) in enumerate(
            zip(rows, advantages.split([len(row.completion_lengths) for row in rows]), strict=True)
        ):
            with autocast(settings.precision, model.device, keeps_casts=not is_sharded(model)):
                log_probabilities = completion_log_probabilities(
                    model, row, settings.temperature
                )  # [completions, tokens]
            collected.append(log_probabilities.detach())
            terms = token_losses(
                log_probabilities,
                collected[index] if old_log_probabilities is None else old_log_probabilities[index],
                None if reference_log_probabilities is None else reference_log_probabilities[index],
                row_advantages,
                settings.clip_range,
                beta,
            )
            lengths = torch.tensor(row.completion_lengths, device=model.device)
            loss = completion_means(terms.loss, lengths).sum() / total
            accelerator.backward(loss)
            loss_sum += loss.item()
            clip_sum += completion_means(terms.clipped, lengths).sum().item()
            if terms.kl is not None:
                kl_sum += completion_means(terms.kl.detach(), lengths).sum().item()
    loss_sum, clip_sum, kl_sum = processes.total(loss_sum, clip_sum, kl_sum)
    kl = None if reference_log_probabilities is None else kl_sum / total
    return UpdateSums(loss_sum, kl, clip_sum / total, collected)


def _reward_metrics(rewards: Rewards, group_size: int) -> dict[str, float]:
    """Means over the rollout; reward_std is the mean of the groups' standard deviations."""
    groups = rewards.total.view(-1, group_size)
    # Equal rewards have no spread, but rounding can produce one.
    spread = groups.std(dim=1, correction=1).masked_fill(all_equal(groups), 0)  # [prompts]
    return {
        "reward": rewards.total.mean().item(),
        "accuracy_reward": rewards.accuracy.mean().item(),
        "format_reward": rewards.format.mean().item(),
        "reward_std": spread.mean().item(),
        "zero_std_fraction": (spread == 0).float().mean().item(),
    }


def _length_metrics(experience: Experience, processes: Processes) -> dict[str, float]:
    lengths = [len(completion) for completion in experience.completions]
    count, tokens, truncated = processes.total(len(lengths), sum(lengths), sum(experience.truncated))
    return {"completion_tokens": tokens / count, "truncated_fraction": truncated / count}
