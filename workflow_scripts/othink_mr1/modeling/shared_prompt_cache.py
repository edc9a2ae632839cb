"""Keys and values while decoding: a prompt's once, shared by its completions; each completion's own.

The cache is a rectangle of prompts x group. A completion lives in one place of it; places may be empty, and
sequences in the batch are the occupied places in any order. All of a group's queries meet the prompt's keys
in one product. Everything is fp32, whatever the products' precision: scores of bf16 would be too coarse, and
converting on every step costs more than the memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

# Room for so many more tokens is made at a time.
GROWTH = 64


class SharedPromptCache:
    """Prompt places x group places, in all layers."""

    def __init__(
        self, layers: int, kv_heads: int, head_size: int, prompts: int, group: int, device: torch.device
    ) -> None:
        self._kv_heads, self._head_size = kv_heads, head_size
        self._scaling = head_size**-0.5
        self.prompts, self.group = prompts, group
        # Never uninitialised: a weight of 0 times what may be there must be 0.
        empty = torch.zeros(layers, prompts, kv_heads, 0, head_size, device=device)
        self._prompt_keys, self._prompt_values = empty, empty.clone()  # [layers, prompts, kv, tokens, d]
        empty = torch.zeros(layers, prompts, kv_heads, group, 0, head_size, device=device)
        self._own_keys, self._own_values = empty, empty.clone()  # [layers, prompts, kv, group, tokens, d]
        # Added to scores: 0 where there is a key, -inf elsewhere.
        self._prompt_bias = torch.zeros(prompts, kv_heads, 1, 0, device=device)
        self._own_bias = torch.zeros(prompts, kv_heads, group, 1, 0, device=device)
        self._places = torch.zeros(0, dtype=torch.long, device=device)
        self._lengths = torch.zeros(0, dtype=torch.long, device=device)
        self._longest_own = 0

    # --- what is in the cache

    def put_prompts(self, places: Sequence[int], keys: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        """Put prompts into places; what was there before, and its group's own tokens, is forgotten.

        keys, values: per prompt [layers, kv heads, tokens, d].
        """
        longest = max(states.shape[2] for states in keys)
        missing = longest - self._prompt_keys.shape[3]
        if missing > 0:
            self._prompt_keys = _grow(self._prompt_keys, 3, missing)
            self._prompt_values = _grow(self._prompt_values, 3, missing)
            self._prompt_bias = _grow(self._prompt_bias, 3, missing, -torch.inf)
        for place, prompt_keys, prompt_values in zip(places, keys, values, strict=True):
            tokens = prompt_keys.shape[2]
            self._prompt_keys[:, place, :, :tokens] = prompt_keys
            self._prompt_values[:, place, :, :tokens] = prompt_values
            self._prompt_bias[place] = -torch.inf
            self._prompt_bias[place, ..., :tokens] = 0
            self._own_bias[place] = -torch.inf

    def set_sequences(self, places: Tensor, lengths: Tensor, longest: int) -> None:
        """Say which places the batch's sequences are in, and how many own tokens each has there.

        places: [sequences], prompt place x group + group place. longest: of the lengths.
        """
        self._places, self._lengths, self._longest_own = places, lengths, longest
        count, kv_heads = len(places), self._kv_heads
        heads = torch.arange(kv_heads, device=places.device)
        # [sequences, kv heads]: rows of the rectangle in the order of the keys, (prompt, kv head, group)
        rows = (places[:, None] // self.group * kv_heads + heads) * self.group + places[:, None] % self.group
        self._rows = rows.flatten()
        # Which of the batch's rows (sequence, kv head) a row of the rectangle takes; an empty place takes the
        # first, and nobody reads what it computes.
        self._takes = torch.zeros(
            self.prompts * kv_heads * self.group, dtype=torch.long, device=places.device
        )
        self._takes[self._rows] = torch.arange(count * kv_heads, device=places.device)

    def keep(self, prompts: Sequence[int], group_places: Tensor) -> None:
        """Shrink the rectangle to some prompts and, for each, some group places: [prompts kept, group kept].

        set_sequences must follow.
        """
        device = self._prompt_keys.device
        rows = torch.tensor(prompts, device=device)
        used = self._longest_own
        self._prompt_keys = self._prompt_keys.index_select(1, rows)
        self._prompt_values = self._prompt_values.index_select(1, rows)
        self._prompt_bias = self._prompt_bias.index_select(0, rows)
        columns = (rows[:, None], slice(None), group_places)
        # Indexing moves the chosen (prompt, group) to the front: [prompts, group, layers, kv, tokens, d]
        self._own_keys, self._own_values = (
            _grow(
                states[:, :, :, :, :used][:, rows[:, None], :, group_places].permute(2, 0, 3, 1, 4, 5),
                4,
                min(GROWTH, states.shape[4] - used),
            )
            for states in (self._own_keys, self._own_values)
        )
        bias = self._own_bias[columns].transpose(1, 2)  # [prompts, kv, group, 1, tokens]
        self._own_bias = bias[..., : self._own_keys.shape[4]].contiguous()
        self.prompts, self.group = group_places.shape

    # --- one token

    def begin_token(self) -> None:
        """Make room for a new token of every sequence; attend then adds it, layer by layer."""
        capacity = self._own_keys.shape[4]
        if self._longest_own == capacity:
            self._own_keys = _grow(self._own_keys, 4, GROWTH)
            self._own_values = _grow(self._own_values, 4, GROWTH)
            self._own_bias = _grow(self._own_bias, 4, GROWTH, -torch.inf)
            capacity += GROWTH
        self._longest_own += 1
        lengths = self._lengths[:, None].expand(-1, self._kv_heads).flatten()
        self._written = self._rows * capacity + lengths  # [sequences x kv heads]
        self._own_bias.view(-1).index_fill_(0, self._written, 0)
        self._own_bias_now = self._own_bias.flatten(0, 2)[..., : self._longest_own]
        self._lengths = self._lengths + 1

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Add the new token's key and value and attend to everything so far.

        query: [sequences, heads, d]; key, value: [sequences, kv heads, d]. Returns [sequences, heads x d].
        """
        d, now = self._head_size, self._longest_own
        own_keys, own_values = self._own_keys[layer], self._own_values[layer]
        own_keys.view(-1, d).index_copy_(0, self._written, key.reshape(-1, d))
        own_values.view(-1, d).index_copy_(0, self._written, value.reshape(-1, d))
        own_keys = own_keys.flatten(0, 2)[:, :now]  # [prompts x kv x group, tokens, d]
        own_values = own_values.flatten(0, 2)[:, :now]
        prompt_keys = self._prompt_keys[layer].flatten(0, 1)  # [prompts x kv, tokens, d]
        prompt_values = self._prompt_values[layer].flatten(0, 1)

        sequences, heads = query.shape[:2]
        sharing = heads // self._kv_heads  # query heads of one kv head
        rows = query.reshape(-1, sharing * d).index_select(0, self._takes).view(-1, sharing, d)
        grouped = rows.view(-1, self.group * sharing, d)  # [prompts x kv, group x sharing, d]
        prompt_scores = torch.baddbmm(
            self._prompt_bias.flatten(0, 1), grouped, prompt_keys.transpose(1, 2), alpha=self._scaling
        )
        own_scores = torch.baddbmm(self._own_bias_now, rows, own_keys.transpose(1, 2), alpha=self._scaling)
        prompt_tokens = prompt_scores.shape[2]
        scores = torch.cat([prompt_scores.view(-1, prompt_tokens), own_scores.view(-1, now)], dim=1)
        weights = scores.softmax(dim=1)  # [prompts x kv x group x sharing, tokens]
        prompt_weights, own_weights = weights.split([prompt_tokens, now], dim=1)
        out = torch.bmm(prompt_weights.unflatten(0, (-1, self.group * sharing)), prompt_values)
        out = torch.baddbmm(out.view(-1, sharing, d), own_weights.unflatten(0, (-1, sharing)), own_values)
        return out.view(-1, sharing * d).index_select(0, self._rows).view(sequences, heads * d)


def _grow(states: Tensor, dim: int, more: int, value: float = 0.0) -> Tensor:
    """Append `more` entries along a dimension; contiguous."""
    shape = list(states.shape)
    shape[dim] = more
    return torch.cat([states, states.new_full(shape, value)], dim=dim)
