"""A rollout's results for the updates that use it, and their saving between two updates."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from othink_mr1.training.rewards import Rewards
from othink_mr1.training.training_state import Carried


@dataclass(frozen=True)
class Experience:
    """Completions (token ids, prompts x group, a group's next to each other) with their rewards.

    row_tokens: of the packed rows, which must not change while this is in use.
    old_log_probabilities: under the policy that sampled, per packed row; None before the first update.
    """

    completions: list[list[int]]
    truncated: list[bool]
    rewards: Rewards
    row_tokens: int
    old_log_probabilities: list[Tensor] | None = None

    def to_carry(self) -> Carried:
        """For a saved state."""
        tensors = {
            "accuracy": self.rewards.accuracy,
            "format": self.rewards.format,
            "total": self.rewards.total,
        }
        for row, values in enumerate(self.old_log_probabilities or []):
            tensors[f"old_{row}"] = values
        notes = {
            "completions": self.completions,
            "truncated": self.truncated,
            "row_tokens": self.row_tokens,
        }
        return Carried(notes, tensors)

    @classmethod
    def carried(cls, carried: Carried, device: torch.device) -> Experience:
        """The inverse of to_carry."""
        tensors = carried.tensors
        rows = sum(name.startswith("old_") for name in tensors)
        return cls(
            carried.notes["completions"],
            carried.notes["truncated"],
            Rewards(tensors["accuracy"], tensors["format"], tensors["total"]),
            carried.notes["row_tokens"],
            [tensors[f"old_{row}"].to(device) for row in range(rows)],
        )
