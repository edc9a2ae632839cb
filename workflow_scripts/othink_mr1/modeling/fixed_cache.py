"""Keys and values during decoding in tensors that neither move nor grow, as a CUDA graph needs them.

As in shared_prompt_cache.py, a prompt's keys are stored once for its group. Each place has room for the
longest sequence. Flash attention reads only what is used of it: unused room costs memory but no time.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from othink_mr1.modeling.varlen_attention import Bounds, flash


class FixedCache:
    """Prompt places x group places, for all layers, in the products' precision."""

    def __init__(
        self,
        layers: int,
        kv_heads: int,
        head_size: int,
        prompts: int,
        group: int,
        prompt_room: int,
        own_room: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        """prompt_room: tokens of a place for a prompt; own_room: of a place for a completion."""
        self.dtype = dtype
        self._scaling = head_size**-0.5
        self._group, self._own_room, self.prompt_room = group, max(own_room, 1), prompt_room
        rows = prompts * group

        def empty(places: int, room: int) -> Tensor:
            return torch.zeros(2, layers, places * room, kv_heads, head_size, dtype=dtype, device=device)

        # [keys and values, layers, tokens of all places, kv heads, d]
        self._prompt_states, self._own_states = empty(prompts, prompt_room), empty(rows, self._own_room)
        # An empty place has one token, all zeros: its results are finite, and not used.
        self._prompt_lengths = torch.ones(prompts, dtype=torch.int32, device=device)
        self.own_lengths = torch.zeros(rows, dtype=torch.long, device=device)  # tokens in each place
        self._first_rows = torch.arange(rows, device=device) * self._own_room
        self._group_queries = Bounds.of([group] * prompts, device)
        self._single_queries = Bounds.of([1] * rows, device)
        self._prompt_keys = Bounds.of([prompt_room] * prompts, device)
        self._own_keys = Bounds.of([self._own_room] * rows, device)

    def put_prompts(self, places: Sequence[int], keys: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        """Put prompts into places. keys, values: per prompt [layers, kv heads, tokens, d]."""
        for place, *states in zip(places, keys, values, strict=True):
            tokens = states[0].shape[2]
            first = place * self.prompt_room
            for room, new in zip(self._prompt_states, states, strict=True):
                room[:, first : first + tokens] = new.transpose(1, 2)
            self._prompt_lengths[place] = tokens
            self.own_lengths[place * self._group : (place + 1) * self._group] = 0

    def take_over(self, smaller: FixedCache) -> None:
        """Copy what is in a cache whose prompts have less room."""
        places = len(self._prompt_lengths)
        theirs = smaller._prompt_states.unflatten(2, (places, smaller.prompt_room))
        self._prompt_states.unflatten(2, (places, self.prompt_room))[:, :, :, : smaller.prompt_room] = theirs
        self._prompt_lengths.copy_(smaller._prompt_lengths)
        self._own_states.copy_(smaller._own_states)
        self.own_lengths.copy_(smaller.own_lengths)

    def begin_token(self) -> None:
        """Choose where each sequence's new token goes; attend then adds it, layer by layer."""
        self._written = self._first_rows + self.own_lengths
        # A sequence that has ended stays in the batch for some tokens. It must not leave its room.
        self.own_lengths.add_(1).clamp_(max=self._own_room - 1)
        self._used = (self._written - self._first_rows + 1).int()

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Add the new token's key and value and attend to everything so far.

        query: [rows, heads, d]; key, value: [rows, kv heads, d], for all places. Returns [rows, heads x d].
        """
        own_keys, own_values = self._own_states[:, layer]
        own_keys.index_copy_(0, self._written, key)
        own_values.index_copy_(0, self._written, value)
        prompt_keys, prompt_values = self._prompt_states[:, layer]
        of_prompt, prompt_sums = flash(
            query,
            prompt_keys,
            prompt_values,
            self._group_queries,
            self._prompt_keys,
            causal=False,
            scaling=self._scaling,
            used=self._prompt_lengths,
        )
        own, own_sums = flash(
            query,
            own_keys,
            own_values,
            self._single_queries,
            self._own_keys,
            causal=False,
            scaling=self._scaling,
            used=self._used,
        )
        # exp(l_own - logaddexp(l_own, l_prompt)): see flash_attention_cpu.py
        own_share = (own_sums - prompt_sums).sigmoid().t()[..., None].to(self.dtype)
        return torch.lerp(of_prompt, own, own_share).flatten(1)
