"""The sequences that are being decoded: what is common to shrinking_batch.py and fixed_batch.py."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.errors import Diverged
from othink_mr1.modeling.prefill import prefill
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.token_choice import ChooseToken
from othink_mr1.modeling.token_step import TokenStep


@dataclass(frozen=True)
class Admitted:
    """Computed prompts and the first tokens of their sequences. [sequences]: prompts x group, in order."""

    places: Tensor  # [sequences]: place of the prompt x group size + place in the group
    positions: Tensor  # [sequences]: rotary position of the first token
    first: Tensor  # [sequences]: the first tokens
    prompt_places: list[int]
    keys: list[Tensor]  # per prompt [layers, kv heads, tokens, d]
    values: list[Tensor]


class Batch(ABC):
    """Prompts in places, each with a group of sequences. A prompt leaves when its whole group has ended.

    Tensors with rows have one per sequence that has not left.
    """

    _fused_norms = False

    def __init__(
        self,
        model: Qwen2VLForConditionalGeneration,
        prompts: int,
        group: int,
        max_new_tokens: int,
        stop_tokens: Sequence[int],
        choose_token: ChooseToken,
    ) -> None:
        """prompts: number of places."""
        self._model, self._prompts, self._group = model, prompts, group
        self._max_new_tokens, self._choose_token = max_new_tokens, choose_token
        self._device = model.device
        self._is_stop = torch.zeros(
            model.config.text_config.vocab_size, dtype=torch.bool, device=self._device
        )
        self._is_stop[[token for token in stop_tokens if token >= 0]] = True
        self._token_step = TokenStep(model, self._fused_norms)
        self._free = list(range(prompts))
        self._sum_of_logits = torch.zeros((), device=self._device)
        nothing = torch.zeros(0, dtype=torch.long, device=self._device)
        self._sequences = nothing  # [rows]: number of each row's sequence
        self._places = nothing  # [rows]: in the cache
        self._counts = nothing  # [rows]: number of tokens chosen so far
        self._tokens = nothing.new_zeros(0, max_new_tokens)  # [rows, max_new_tokens]: all chosen
        self._longest = 0  # largest of the counts
        self._set_up()

    @abstractmethod
    def _set_up(self) -> None:
        """Make what the subclass has besides: the cache, and each sequence's last token and its position."""

    def __bool__(self) -> bool:
        """Whether any sequence is being decoded."""
        return len(self._sequences) > 0

    @abstractmethod
    def admit(self, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Compute prompts into free places and choose their sequences' first tokens."""

    @abstractmethod
    def step(self) -> None:
        """Feed every sequence's last token and choose the next."""

    @abstractmethod
    def remove_ended(self, may_shrink: bool) -> Iterator[tuple[int, list[int]]]:
        """Yield and remove sequences that have ended: number and tokens. Diverged if a logit was not finite.

        may_shrink: empty places may be given up, since no prompt is waiting for them.
        """

    @property
    def free(self) -> int:
        """Number of free prompt places."""
        return len(self._free)

    @property
    def free_share(self) -> float:
        """Fraction of the prompt places that is free."""
        return len(self._free) / self._prompts

    def _compute(self, numbers: Sequence[int], prompts: Sequence[Prompt]) -> Admitted:
        """Compute prompts and add their sequences' rows."""
        prompt_places = [self._free.pop() for _ in prompts]
        logits, keys, values = prefill(self._model, prompts)
        self._note_finite(logits)
        group = torch.arange(self._group, device=self._device)

        def numbered(prompts: Sequence[int]) -> Tensor:
            """[prompts] -> [prompts x group]: prompt x group size + place in the group."""
            first = torch.tensor(prompts, device=self._device)[:, None] * self._group
            return (first + group).flatten()

        sequences = numbered(numbers)
        first = self._choose_token(logits.repeat_interleave(self._group, dim=0), sequences, sequences * 0)
        positions = torch.tensor([prompt.next_position for prompt in prompts], device=self._device)
        places = numbered(prompt_places)
        tokens = first.new_zeros(len(first), self._max_new_tokens)
        tokens[:, 0] = first
        self._sequences = torch.cat([self._sequences, sequences])
        self._places = torch.cat([self._places, places])
        self._counts = torch.cat([self._counts, torch.ones_like(sequences)])
        self._tokens = torch.cat([self._tokens, tokens])
        self._longest = max(self._longest, 1)
        return Admitted(places, positions.repeat_interleave(self._group), first, prompt_places, keys, values)

    def _note_finite(self, logits: Tensor) -> None:
        """Checked only when sequences end: checking each token would wait for the GPU each time.

        A sum is finite only if every term is. It takes a tenth of the time of a norm of order infinity.
        """
        self._sum_of_logits = self._sum_of_logits + logits.sum()

    def _require_finite(self) -> None:
        if not math.isfinite(self._sum_of_logits):
            raise Diverged("the model's logits are nan or infinite")
