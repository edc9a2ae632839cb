"""Keys and values during decoding: a prompt's are stored once and shared by its completions.

The cache is a rectangle of prompts x group. A completion has one place in it; places may be empty, and the
batch's sequences are the occupied places in any order. One product computes all of a group's queries with the
prompt's keys. Everything is fp32, whatever the products' precision: bf16 scores would be too coarse, and
converting at every step would cost more than the memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

# Initial room for completions' tokens; it is doubled when full.
FIRST_ROOM = 64


@dataclass(frozen=True)
class _LayerViews:
    """One layer of the cache as views in the shapes that products take; kept, as making views takes time."""

    prompt_keys: Tensor  # [prompts x kv, d, tokens]
    prompt_values: Tensor  # [prompts x kv, tokens, d]
    own_keys: Tensor  # [prompts x kv x group, d, tokens]
    own_values: Tensor  # [prompts x kv x group, tokens, d]
    own_key_rows: Tensor  # [all places and tokens, d]
    own_value_rows: Tensor


class SharedPromptCache:
    """Prompt places x group places, for all layers."""

    dtype = torch.float32

    def __init__(
        self,
        layers: int,
        kv_heads: int,
        head_size: int,
        prompts: int,
        group: int,
        max_own_tokens: int,
        device: torch.device,
    ) -> None:
        """max_own_tokens: the longest completion without its last token, which needs no keys."""
        self._kv_heads, self._head_size = kv_heads, head_size
        self._scaling = head_size**-0.5
        self.prompts, self.group = prompts, group
        self._max_own_tokens = max_own_tokens
        # Never uninitialised: a weight of 0 times the content must be 0.
        empty = torch.zeros(layers, prompts, kv_heads, 0, head_size, dtype=self.dtype, device=device)
        self._prompt_keys, self._prompt_values = empty, empty.clone()  # [layers, prompts, kv, tokens, d]
        empty = torch.zeros(layers, prompts, kv_heads, group, 0, head_size, dtype=self.dtype, device=device)
        self._own_keys, self._own_values = empty, empty.clone()  # [layers, prompts, kv, group, tokens, d]
        # Added to scores: 0 where there is a key, -inf elsewhere.
        self._prompt_bias = torch.zeros(prompts, kv_heads, 1, 0, dtype=self.dtype, device=device)
        self._own_bias = torch.zeros(prompts, kv_heads, group, 1, 0, dtype=self.dtype, device=device)
        self._places = torch.zeros(0, dtype=torch.long, device=device)
        self._lengths = torch.zeros(0, dtype=torch.long, device=device)
        self._longest_own = 0
        self._layers: list[_LayerViews] = []  # empty: must be made again

    # --- what is in the cache

    def put_prompts(self, places: Sequence[int], keys: Sequence[Tensor], values: Sequence[Tensor]) -> None:
        """Put prompts into places; the old prompts there, and their groups' own tokens, are removed.

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
        """Set which places the batch's sequences are in, and how many own tokens each has there.

        places: [sequences], prompt place x group + group place. longest: of the lengths.
        """
        self._places, self._lengths, self._longest_own = places, lengths, longest
        count, kv_heads = len(places), self._kv_heads
        heads = torch.arange(kv_heads, device=places.device)
        # [sequences, kv heads]: rows of the rectangle in the order of the keys, (prompt, kv head, group)
        rows = (places[:, None] // self.group * kv_heads + heads) * self.group + places[:, None] % self.group
        self._rows = rows.flatten()
        self._layers = []
        self._prompt_bias_rows = self._prompt_bias.flatten(0, 1)
        # The batch's row (sequence, kv head) for each row of the rectangle. An empty place takes the first;
        # its result is not used.
        self._takes = torch.zeros(
            self.prompts * kv_heads * self.group, dtype=torch.long, device=places.device
        )
        self._takes[self._rows] = torch.arange(count * kv_heads, device=places.device)

    def keep(self, prompts: Sequence[int], group_places: Tensor) -> None:
        """Shrink the rectangle to some prompts and, for each, some group places: [prompts kept, group kept].

        Call set_sequences afterwards.
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
                min(FIRST_ROOM, states.shape[4] - used),
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
            more = min(max(capacity, FIRST_ROOM), self._max_own_tokens - capacity)
            self._own_keys = _grow(self._own_keys, 4, more)
            self._own_values = _grow(self._own_values, 4, more)
            self._own_bias = _grow(self._own_bias, 4, more, -torch.inf)
            self._layers = []
        if not self._layers:
            self._layers = self._layer_views()
            self._next = self._rows * self._own_keys.shape[4] + self._lengths.repeat_interleave(
                self._kv_heads
            )
        self._longest_own += 1
        self._written, self._next = self._next, self._next + 1
        self._lengths = self._lengths + 1
        self._own_bias.view(-1).index_fill_(0, self._written, 0)
        self._own_bias_now = self._own_bias.flatten(0, 2)[..., : self._longest_own]

    def _layer_views(self) -> list[_LayerViews]:
        return [
            _LayerViews(
                prompt_keys=prompt_keys.flatten(0, 1).transpose(1, 2),
                prompt_values=prompt_values.flatten(0, 1),
                own_keys=own_keys.flatten(0, 2).transpose(1, 2),
                own_values=own_values.flatten(0, 2),
                own_key_rows=own_keys.view(-1, self._head_size),
                own_value_rows=own_values.view(-1, self._head_size),
            )
            for prompt_keys, prompt_values, own_keys, own_values in zip(
                self._prompt_keys, self._prompt_values, self._own_keys, self._own_values, strict=True
            )
        ]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Add the new token's key and value and attend to everything so far.

        query: [sequences, heads, d]; key, value: [sequences, kv heads, d]. Returns [sequences, heads x d].
        """
        d, now = self._head_size, self._longest_own
        views = self._layers[layer]
        views.own_key_rows.index_copy_(0, self._written, key.reshape(-1, d))
        views.own_value_rows.index_copy_(0, self._written, value.reshape(-1, d))

        sequences, heads = query.shape[:2]
        sharing = heads // self._kv_heads  # query heads of one kv head
        together = self.group * sharing  # queries per prompt and kv head
        rows = query.reshape(-1, sharing * d).index_select(0, self._takes)
        prompt_scores = torch.baddbmm(
            self._prompt_bias_rows, rows.view(-1, together, d), views.prompt_keys, alpha=self._scaling
        )
        own_scores = torch.baddbmm(
            self._own_bias_now, rows.view(-1, sharing, d), views.own_keys[:, :, :now], alpha=self._scaling
        )
        tokens = prompt_scores.shape[2]
        scores = torch.cat([prompt_scores.view(-1, tokens), own_scores.view(-1, now)], dim=1)
        weights = scores.softmax(dim=1)  # [prompts x kv x group x sharing, tokens + now]
        out = torch.bmm(weights[:, :tokens].view(-1, together, tokens), views.prompt_values)
        out = torch.baddbmm(
            out.view(-1, sharing, d), weights[:, tokens:].view(-1, sharing, now), views.own_values[:, :now]
        )
        return out.view(-1, sharing * d).index_select(0, self._rows).view(sequences, heads * d)


def _grow(states: Tensor, dim: int, more: int, value: float = 0.0) -> Tensor:
    """Append `more` entries along a dimension; contiguous."""
    shape = list(states.shape)
    shape[dim] = more
    return torch.cat([states, states.new_full(shape, value)], dim=dim)
