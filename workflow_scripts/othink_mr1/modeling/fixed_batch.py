"""A batch whose tensors keep their places, so that a CUDA graph can replay each token: for the GPU in bf16.

A decoding step is about a thousand small kernels. Launching them takes the CPU longer than the GPU needs to
compute them; a graph launches all at once. Sequences that have ended stay until the next check, some tokens
later, because every check waits for the GPU. What they compute until then is discarded. Not yet run on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from othink_mr1.modeling.batch import Batch
from othink_mr1.modeling.fixed_cache import FixedCache
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.token_step import TokenStep

# Tokens between two checks for ended sequences.
CHECK_EVERY = 8
# Room for prompts is a multiple of this, so that a longer prompt seldom needs a new cache.
PROMPT_ROOM_STEP = 256


class FixedBatch(Batch):
    """Every token is computed for all places. Rows are the sequences that had not ended at the check."""

    _fused_norms = True

    def _set_up(self) -> None:
        self._cache: FixedCache | None = None
        self._next_logits: Callable[[], Tensor] | None = None
        self._last = torch.zeros(self._prompts * self._group, dtype=torch.long, device=self._device)
        self._positions = torch.zeros_like(self._last)
        self._unchecked = 0  # tokens since the last check

    def admit(self, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        new = self._compute(numbers, prompts)
        cache = self._cache_for(max(len(prompt) for prompt in prompts))
        cache.put_prompts(new.prompt_places, new.keys, new.values)
        self._last.index_copy_(0, new.places, new.first)
        self._positions.index_copy_(0, new.places, new.positions)

    def step(self) -> None:
        assert self._next_logits is not None
        logits = self._next_logits().index_select(0, self._places)
        self._note_finite(logits)
        chosen = self._choose_token(logits, self._sequences, self._counts)
        self._tokens.scatter_(1, self._counts[:, None], chosen[:, None])
        self._last.index_copy_(0, self._places, chosen)
        self._counts += 1
        self._longest += 1
        self._unchecked += 1

    def remove_ended(self, may_shrink: bool) -> Iterator[tuple[int, list[int]]]:
        """See Batch. Looks only every CHECK_EVERY tokens, and when a sequence has reached its longest."""
        if self._unchecked < CHECK_EVERY and self._longest < self._max_new_tokens:
            return
        self._unchecked = 0
        chosen = torch.arange(self._max_new_tokens, device=self._device) < self._counts[:, None]
        stops = self._is_stop[self._tokens] & chosen
        stopped = stops.any(dim=1)
        lengths = torch.where(stopped, stops.int().argmax(dim=1) + 1, self._counts)
        ended = stopped | (self._counts == self._max_new_tokens)
        left = (~ended).nonzero().squeeze(1)
        if len(left) == len(ended):
            return
        self._require_finite()
        for sequence, length, tokens in zip(
            self._sequences[ended].tolist(),
            lengths[ended].tolist(),
            self._tokens[ended].cpu(),
            strict=True,
        ):
            yield sequence, tokens[:length].tolist()
        self._places, self._sequences, self._counts, self._tokens = (
            values.index_select(0, left)
            for values in (self._places, self._sequences, self._counts, self._tokens)
        )
        self._longest = int(self._counts.max()) if self else 0
        occupied = set((self._places // self._group).tolist())
        self._free = [place for place in range(self._prompts) if place not in occupied]

    def _cache_for(self, longest_prompt: int) -> FixedCache:
        """The cache, replaced by one with more room if a prompt is longer."""
        if self._cache is None or self._cache.prompt_room < longest_prompt:
            before = self._cache
            config = self._model.config.text_config
            self._cache = FixedCache(
                config.num_hidden_layers,
                config.num_key_value_heads,
                config.hidden_size // config.num_attention_heads,
                self._prompts,
                self._group,
                -(-longest_prompt // PROMPT_ROOM_STEP) * PROMPT_ROOM_STEP,
                self._max_new_tokens - 1,
                self._token_step.dtype,
                self._device,
            )
            if before is not None:
                self._cache.take_over(before)
            self._next_logits = _recorded(self._token_step, self._last, self._positions, self._cache)
        return self._cache


def _recorded(step: TokenStep, last: Tensor, positions: Tensor, cache: FixedCache) -> Callable[[], Tensor]:
    """A function that computes a token for all places; on a GPU it replays a graph.

    It refers to no batch, so that a batch's memory is free as soon as nothing refers to it.
    """
    device = last.device

    def logits() -> Tensor:
        # TokenStep chooses its precision itself.
        with torch.autocast(device.type, enabled=False):
            computed = step(last, positions, cache)
        positions.add_(1)
        return computed

    if device.type != "cuda":
        return logits
    kept = [(state, state.clone()) for state in (positions, cache.own_lengths)]
    # Once without recording, as libraries allocate memory at their first call. What this writes to the cache
    # is overwritten by each sequence's next token.
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        logits()
    torch.cuda.current_stream().wait_stream(beside)
    for state, before in kept:
        state.copy_(before)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        computed = logits()

    def replayed() -> Tensor:
        graph.replay()
        return computed

    return replayed
