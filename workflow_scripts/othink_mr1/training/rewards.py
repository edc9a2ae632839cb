"""Rewards (eq. 1): R = R_accuracy + α · R_format. Only controls weight R_accuracy by other than 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from othink_mr1.config.methods import GRPO, RewardScorer
from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.workers import Question, Rule, TimedOut, shared_workers

_RULES: dict[RewardScorer, Rule] = {"r1v": "r1v_reward", "exact": "exact_reward"}
_COIN = 1  # fifth number of the seed: separate from sampling, whose seeds have four numbers


@dataclass(frozen=True)
class Rewards:
    """The rewards of some completions, in their order."""

    accuracy: Tensor  # [completions], 0 or 1
    format: Tensor  # [completions], 0 or 1
    total: Tensor  # [completions]


def score_completions(
    completions: Sequence[str],
    golds: Sequence[str],
    scorer: str,
    settings: GRPO,
    seed: int,
    rollout: int,
    before: int = 0,
) -> Rewards:
    """Reward each completion of a rollout (from 1) against its gold answer.

    scorer: name of the task's scorer. settings.reward_scorer: r1v, the published training rule, for counting
    laxer than its evaluation; exact; or random, 0 or 1 by a coin flip seeded by (seed, rollout, place in the
    rollout). A completion that exceeds the scorer's limits gets no accuracy reward. before: how many of the
    rollout's completions other processes have before these.
    """
    if settings.reward_scorer == "random":
        coins = [
            np.random.default_rng([seed, rollout, place, 0, _COIN]).integers(2)
            for place in range(before, before + len(completions))
        ]
        accuracy = torch.tensor(np.array(coins), dtype=torch.float32)
    else:
        rule = _RULES[settings.reward_scorer]
        pairs = zip(completions, golds, strict=True)
        replies = accuracy_rewards([Question(scorer, rule, *pair) for pair in pairs])
        accuracy = torch.tensor(replies, dtype=torch.float32)
    format_reward = torch.tensor([float(format_followed(text)) for text in completions])
    total = settings.accuracy_weight * accuracy + settings.format_weight * format_reward
    return Rewards(accuracy, format_reward, total)


def accuracy_rewards(questions: Sequence[Question]) -> list[float]:
    """The accuracy rewards, from this process's scoring workers, which stay alive between steps."""
    replies = shared_workers().answers(questions)
    return [0.0 if isinstance(reply, TimedOut) else reply for reply in replies]
