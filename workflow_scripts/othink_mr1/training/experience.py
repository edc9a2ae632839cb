"""A rollout's results for the updates that use it, and their saving between two updates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from othink_mr1.errors import UserError
from othink_mr1.modeling.packed_rows import PackedRow
from othink_mr1.modeling.processes import Processes
from othink_mr1.training.rewards import Rewards
from othink_mr1.training.training_state import Carried

_OLD = "old_of_completion_"


@dataclass(frozen=True)
class Experience:
    """Completions (token ids, prompts x group, a group's next to each other) with their rewards.

    In several processes these are one's share. old_log_probabilities: under the policy that sampled, per
    completion [tokens]; None before the first update. Nothing here depends on the division into rows.
    """

    completions: list[list[int]]
    truncated: list[bool]
    rewards: Rewards
    old_log_probabilities: list[Tensor] | None = None

    def to_carry(self, processes: Processes) -> Carried:
        """All processes' experience, for a saved state."""
        old = processes.joined([values.cpu().clone() for values in self.old_log_probabilities or []])
        rewards = self.joined_rewards(processes)
        return Carried(
            {
                "completions": processes.joined(self.completions),
                "truncated": processes.joined(self.truncated),
            },
            {
                "accuracy": rewards.accuracy,
                "format": rewards.format,
                "total": rewards.total,
                **{f"{_OLD}{number}": values for number, values in enumerate(old)},
            },
        )

    def joined_rewards(self, processes: Processes) -> Rewards:
        """The rewards of all processes' completions."""
        mine = (self.rewards.accuracy, self.rewards.format, self.rewards.total)
        return Rewards(*(torch.tensor(processes.joined(values.tolist())) for values in mine))

    @classmethod
    def carried(
        cls, carried: Carried, device: torch.device, prompts: int, processes: Processes
    ) -> Experience:
        """This process's share of what to_carry gave in any number of processes. prompts: the step's."""
        tensors, count = carried.tensors, len(carried.notes["completions"])
        group = count // prompts
        mine = [
            place * group + number for place in processes.share(range(prompts)) for number in range(group)
        ]
        if f"{_OLD}{count - 1}" not in tensors:
            raise UserError(
                "the saved state is of an earlier version of this workflow, in the middle of a rollout; "
                "go on with that version, or delete the run's states to train it from the start"
            )
        return cls(
            [carried.notes["completions"][place] for place in mine],
            [carried.notes["truncated"][place] for place in mine],
            Rewards(*(tensors[name][mine] for name in ("accuracy", "format", "total"))),
            [tensors[f"{_OLD}{place}"].to(device) for place in mine],
        )


def by_rows(values: Sequence[Tensor], rows: Sequence[PackedRow]) -> list[Tensor]:
    """Values per completion [tokens] -> per row [completions, longest], zeros after ends."""
    waiting = iter(values)
    return [
        pad_sequence(list(islice(waiting, len(row.completion_lengths))), batch_first=True) for row in rows
    ]


def by_completions(values: Sequence[Tensor], rows: Sequence[PackedRow]) -> list[Tensor]:
    """The inverse of by_rows."""
    return [
        of_completion[:length]
        for of_row, row in zip(values, rows, strict=True)
        for of_completion, length in zip(of_row, row.completion_lengths, strict=True)
    ]
