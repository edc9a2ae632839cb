"""The processes of one job: who they are, what each computes, and sums over them.

Every process has all weights, or in a training by FSDP2 a part (training/sharding.py). In a training each has
its share of a step's prompts, and the gradients are added up once a step; in an evaluation each answers its
share of the questions. Alone, a process communicates nothing, and gets back what it gave.

All processes must reach each call of `told`, `joined`, `total`, `any_of` and `add_gradients`, in one order.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor

from othink_mr1.config.execution import DeviceResources
from othink_mr1.errors import UserError

Thing = TypeVar("Thing")

_COUNT, _RANK = "WORLD_SIZE", "RANK"  # set by torchrun and slurm/process.sh
# One process may wait for another's lock, or write a checkpoint, while the others wait for it.
_LONGEST_WAIT = timedelta(days=7)


@dataclass(frozen=True)
class Processes:
    """The job's processes, seen from one of them."""

    rank: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """The first process owns the folder: it alone writes."""
        return self.rank == 0

    def share(self, items: Sequence[Thing]) -> Sequence[Thing]:
        """This process's part of a list that all processes have. Parts differ in length by one at most."""
        return items[self.before(len(items)) : self.before(len(items), self.rank + 1)]

    def before(self, items: int, rank: int | None = None) -> int:
        """How many of so many items belong to processes before this one."""
        return items * (self.rank if rank is None else rank) // self.count

    def told(self, thing: Thing) -> Thing:
        """The first process's."""
        return thing if self.count == 1 else broadcast_object_list([thing])[0]

    def joined(self, mine: Sequence[Thing]) -> list[Thing]:
        """All processes' lists, one after the other."""
        return list(mine) if self.count == 1 else gather_object(list(mine))

    def total(self, *mine: float) -> list[float]:
        """The sums over all processes, each in the order of the processes."""
        return [sum(values) for values in zip(*self.joined([mine]), strict=True)]

    def any_of(self, mine: bool) -> bool:
        """Whether it is so in any process."""
        return any(self.joined([mine]))

    def add_gradients(self, weights: Iterable[Tensor]) -> None:
        """Add up the gradients of all processes. A weight that has none in any keeps none."""
        if self.count == 1:
            return
        weights = list(weights)
        have = self.joined([[weight.grad is not None for weight in weights]])
        for weight, anywhere in zip(weights, map(any, zip(*have, strict=True)), strict=True):
            if anywhere:
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
                torch.distributed.all_reduce(weight.grad)


ALONE = Processes()


def processes_of(execution: DeviceResources) -> Processes:
    """This process among those that a launcher has started for the job. Call use_device before.

    UserError if they are not as many as the execution says.
    """
    count, wanted = int(os.environ.get(_COUNT, "1")), execution.processes
    if count != wanted:
        raise UserError(
            f"execution asks for {wanted} processes, one per GPU, but this program was started as {count} "
            f"({_COUNT}); let snakemake start it"
        )
    if count > 1:
        # It joins the processes, and chooses this one's device.
        PartialState(cpu=execution.device == "cpu", timeout=_LONGEST_WAIT)
    return Processes(int(os.environ.get(_RANK, "0")), count)
