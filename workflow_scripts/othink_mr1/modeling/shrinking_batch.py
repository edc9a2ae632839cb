"""A batch that sequences leave as they end: for the CPU, where each row costs time.

The batch has no room for ended sequences, so only attention computes padding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from othink_mr1.modeling.batch import Batch
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.shared_prompt_cache import SharedPromptCache

# Shrinking the cache copies it, so wait until this fraction of it would be removed.
SHRINK_FROM = 1 / 4


class ShrinkingBatch(Batch):
    """Rows of tensors, one per sequence, and their places in the cache."""

    def _set_up(self) -> None:
        config = self._model.config.text_config
        self._cache = SharedPromptCache(
            config.num_hidden_layers,
            config.num_key_value_heads,
            config.hidden_size // config.num_attention_heads,
            self._prompts,
            self._group,
            self._max_new_tokens - 1,
            self._device,
        )
        nothing = torch.zeros(0, dtype=torch.long, device=self._device)
        self._last = nothing  # [rows]: the last token chosen; only it is not yet in the cache
        self._positions = nothing  # [rows]: its rotary position

    def admit(self, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        new = self._compute(numbers, prompts)
        self._cache.put_prompts(new.prompt_places, new.keys, new.values)
        self._positions = torch.cat([self._positions, new.positions])
        self._last = torch.cat([self._last, new.first])
        self._tell_cache()

    def step(self) -> None:
        # TokenStep chooses its precision itself; autocast would also round the attention scores.
        with torch.autocast(self._device.type, enabled=False):
            logits = self._token_step(self._last, self._positions, self._cache)
        self._note_finite(logits)
        self._last = self._choose_token(logits, self._sequences, self._counts)
        self._tokens.scatter_(1, self._counts[:, None], self._last[:, None])
        self._counts = self._counts + 1
        self._positions = self._positions + 1
        self._longest += 1

    def remove_ended(self, may_shrink: bool) -> Iterator[tuple[int, list[int]]]:
        ended = self._is_stop[self._last]
        if self._longest == self._max_new_tokens:
            ended = ended | (self._counts == self._max_new_tokens)
        if not ended.any():
            return
        self._require_finite()
        for sequence, count, tokens in zip(
            self._sequences[ended].tolist(),
            self._counts[ended].tolist(),
            self._tokens[ended].cpu(),
            strict=True,
        ):
            yield sequence, tokens[:count].tolist()
        left = (~ended).nonzero().squeeze(1)
        self._sequences, self._places, self._positions, self._counts, self._last, self._tokens = (
            values.index_select(0, left)
            for values in (
                self._sequences,
                self._places,
                self._positions,
                self._counts,
                self._last,
                self._tokens,
            )
        )
        self._longest = int(self._counts.max()) if self else 0
        occupied = set((self._places // self._cache.group).tolist())
        self._free = [place for place in range(self._cache.prompts) if place not in occupied]
        if may_shrink and self:
            self._shrink()
        self._tell_cache()

    def _shrink(self) -> None:
        """Remove empty places of the cache, if there are enough of them."""
        of_prompt: dict[int, list[int]] = {}
        for place in self._places.tolist():
            of_prompt.setdefault(place // self._cache.group, []).append(place % self._cache.group)
        group = max(len(places) for places in of_prompt.values())
        if len(of_prompt) * group > (1 - SHRINK_FROM) * self._cache.prompts * self._cache.group:
            return
        kept = sorted(of_prompt)
        # A prompt with fewer sequences than the others is filled up with unused places.
        columns = [(of_prompt[prompt] + [0] * group)[:group] for prompt in kept]
        new_places = {
            prompt * self._cache.group + column: row * group + index
            for row, prompt in enumerate(kept)
            for index, column in enumerate(of_prompt[prompt])
        }
        self._cache.keep(kept, torch.tensor(columns, device=self._device))
        self._places = torch.tensor([new_places[place] for place in self._places.tolist()]).to(self._device)
        self._free = []

    def _tell_cache(self) -> None:
        self._cache.set_sequences(self._places, self._counts - 1, max(self._longest - 1, 0))
