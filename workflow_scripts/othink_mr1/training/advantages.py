"""Advantages: how much better a completion is than the others in its group."""

from __future__ import annotations

from torch import Tensor


def group_advantages(rewards: Tensor, epsilon: float) -> Tensor:
    """Standardise each prompt's rewards over its group (eq. 2): (r - mean) / (std + ε).

    rewards: [prompts, group], any unit; std is the sample's (divisor G - 1), and ε bounds the advantages of a
    group with nearly equal rewards (1e-4 in R1-V and TRL; the paper has no ε).
    Returns the same shape, dimensionless. A group with equal rewards gives exact zeros at any ε, as the
    rounding error of their mean must not become an advantage.
    """
    centred = rewards - rewards.mean(dim=1, keepdim=True)  # [prompts, group]
    advantages = centred / (rewards.std(dim=1, correction=1, keepdim=True) + epsilon)
    return advantages.masked_fill(all_equal(rewards)[:, None], 0)


def all_equal(rewards: Tensor) -> Tensor:
    """[prompts, group] -> [prompts]: whether all rewards of the group are the same number."""
    return rewards.amin(dim=1) == rewards.amax(dim=1)
