"""GRPO's loss (eqs. 4 and 5) from log-probabilities and advantages."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# The largest fp32 number whose exponential is finite in fp32.
LARGEST_EXPONENT = 88.72283


@dataclass(frozen=True)
class TokenLosses:
    """Per-token terms, [completions, tokens]; entries after a completion's end are meaningless."""

    loss: Tensor
    kl: Tensor | None  # None without a reference
    clipped: Tensor  # bool: the clipped branch was taken


def token_losses(
    log_probabilities: Tensor,
    old_log_probabilities: Tensor,
    reference_log_probabilities: Tensor | None,
    advantages: Tensor,
    clip_range: float,
    kl_weight: float,
) -> TokenLosses:
    """The negated objective of eq. 4 for every token: -min(ρA, clip(ρ, 1-ε, 1+ε)A) + β·KL (eq. 5).

    A ratio that overflows in the branch not taken, and a KL with weight 0, change neither loss nor gradient.
    The branch taken may be infinite.

    log_probabilities: [completions, tokens] of the policy (with gradient), of the policy that sampled,
    and of the reference. advantages: [completions]. KL is the estimator π_ref/π - log(π_ref/π) - 1.
    """
    advantage = advantages[:, None]  # [completions, 1]
    exponent = log_probabilities - old_log_probabilities  # [completions, tokens]
    # With A ≥ 0 a large ratio is not taken. It is kept finite, so that its gradient, ρ · 0, is 0.
    exponent = torch.where(advantage < 0, exponent, exponent.clamp(max=LARGEST_EXPONENT))
    ratio = torch.exp(exponent)  # ρ
    kept = ratio.clamp(1 - clip_range, 1 + clip_range)
    loss = -torch.minimum(ratio * advantage, kept * advantage)
    clipped = kept * advantage < ratio * advantage
    if reference_log_probabilities is None:
        return TokenLosses(loss, None, clipped)
    difference = reference_log_probabilities - log_probabilities
    kl = torch.exp(difference) - difference - 1
    return TokenLosses(loss + (kl_weight * kl if kl_weight else 0.0), kl, clipped)


def completion_means(values: Tensor, lengths: Tensor) -> Tensor:
    """Mean over each completion's tokens (eq. 4's 1/|o_i|).

    values: [completions, tokens]; lengths: [completions], number of valid tokens. Returns [completions].
    """
    counts = torch.arange(values.shape[1], device=values.device) < lengths[:, None]
    return values.masked_fill(~counts, 0).sum(dim=1) / lengths
