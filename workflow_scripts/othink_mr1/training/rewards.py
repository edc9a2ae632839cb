"""Rewards (eq. 1): R = R_accuracy + α · R_format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.task_scorers import Scorer


@dataclass(frozen=True)
class Rewards:
    """The rewards of some completions, in their order."""

    accuracy: Tensor  # [completions], 0 or 1
    format: Tensor  # [completions], 0 or 1
    total: Tensor  # [completions]


def score_completions(
    completions: Sequence[str], golds: Sequence[str], scorer: Scorer, format_weight: float
) -> Rewards:
    """Reward each completion against its gold answer.

    scorer: the task's; its r1v_reward is the published training rule, laxer for counting than r1v_correct.
    format_weight: α.
    """
    pairs = list(zip(completions, golds, strict=True))
    # A group repeats itself more and more as it learns, and parsing an answer takes milliseconds.
    scored = {pair: scorer.r1v_reward(*pair) for pair in set(pairs)}
    accuracy = torch.tensor([scored[pair] for pair in pairs], dtype=torch.float32)
    format_reward = torch.tensor([float(format_followed(text)) for text in completions])
    return Rewards(accuracy, format_reward, accuracy + format_weight * format_reward)
