"""What a system under measurement can do; three can: ours, TRL and R1-V's logic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.workload import GRPOWorkload

# The settings of the step that is compared. Sampling is from the whole vocabulary.
KL_WEIGHT = 0.04
CLIP_RANGE = 0.2
TEMPERATURE = 1.0
LEARNING_RATE = 1e-6
MAX_GRADIENT_NORM = 1.0


class GRPOSystem(Protocol):
    """A policy in training, a frozen reference of the same initial weights, and an optimiser."""

    def step(self, workload: GRPOWorkload, clock: PhaseClock) -> None:
        """One whole step: from images and texts to changed weights."""

    def loss_and_gradient(
        self, workload: GRPOWorkload, completions: Sequence[list[int]]
    ) -> tuple[float, dict[str, Tensor]]:
        """The loss on given completions, and its gradient by the weights' names; no update."""

    def set_policy(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the policy's weights; the reference keeps its own."""


def take_gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    """A model's gradients by name; the model's own are cleared."""
    taken = {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    model.zero_grad(set_to_none=True)
    return taken


def new_optimizer(model: torch.nn.Module) -> torch.optim.AdamW:
    """The opponents' optimiser: fused AdamW, as in transformers' Trainer and in this project."""
    return torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.0, fused=True)


def update(model: torch.nn.Module, optimizer: torch.optim.AdamW) -> None:
    """Clip, step, clear: an opponent's update."""
    torch.nn.utils.clip_grad_norm_(model.parameters(), MAX_GRADIENT_NORM)
    optimizer.step()
    optimizer.zero_grad()
