"""How `decode` lets a token be chosen."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

# (logits [sequences, vocabulary], sequences [sequences], steps [sequences]) -> chosen token ids [sequences]
# Sequence number: prompt x group size + place in the group. Its step counts its own tokens from 0.
ChooseToken = Callable[[Tensor, Tensor, Tensor], Tensor]


def greedy(logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
    """The most likely token of each sequence."""
    return logits.argmax(-1)
