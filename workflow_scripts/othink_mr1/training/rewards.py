"""Rewards (eq. 1): R = R_accuracy + α · R_format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.workers import Question, Rule, TimedOut, shared_workers
from othink_mr1.study.methods import RewardScorer

_RULES: dict[RewardScorer, Rule] = {"r1v": "r1v_reward", "exact": "exact_reward"}


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
    reward_scorer: RewardScorer,
    format_weight: float,
) -> Rewards:
    """Reward each completion against its gold answer.

    scorer: name of the task's. reward_scorer: r1v, the published training rule, laxer for counting than
    its evaluation; or exact. format_weight: α. A completion that exceeds the scorer's limits earns no
    accuracy reward.
    """
    pairs = list(zip(completions, golds, strict=True))
    replies = accuracy_rewards([Question(scorer, _RULES[reward_scorer], *pair) for pair in pairs])
    accuracy = torch.tensor(replies, dtype=torch.float32)
    format_reward = torch.tensor([float(format_followed(text)) for text in completions])
    return Rewards(accuracy, format_reward, accuracy + format_weight * format_reward)


def accuracy_rewards(questions: Sequence[Question]) -> list[float]:
    """The accuracy rewards, from this process's scoring workers, which stay warm between steps."""
    replies = shared_workers().answers(questions)
    return [0.0 if isinstance(reply, TimedOut) else reply for reply in replies]
