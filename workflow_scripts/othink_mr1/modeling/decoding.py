"""Decoding: completions of prompts, token by token, for rollouts (sampled) and evaluation (greedy).

Each prompt is computed once, in a packed row, and its keys and values are shared by its completions.
Sequences that have ended leave the batch, and waiting prompts take their places, so only attention computes
padding. We do not use `generate`, because it repeats the prompt for every completion, pads, and draws from
one random stream for the whole batch.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.errors import Diverged
from othink_mr1.modeling.packed_rows import Group, fill_rows, pack, predictor_states
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.shared_prompt_cache import SharedPromptCache
from othink_mr1.modeling.token_step import TokenStep

# (logits [sequences, vocabulary], sequences [sequences], steps [sequences]) -> chosen token ids [sequences]
# Sequence number: prompt x group size + place in the group. Its step counts its own tokens from 0.
ChooseToken = Callable[[Tensor, Tensor, Tensor], Tensor]

# Computing new prompts has a fixed cost, so wait until this fraction of the places is free.
REFILL_FROM = 1 / 8
# Prompt tokens, with their pictures, that are computed at a time: a bound on memory.
PREFILL_TOKENS = 16384
# Shrinking the cache copies it, so wait until this fraction of it would be removed.
SHRINK_FROM = 1 / 4


def decode(
    model: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    group_size: int,
    max_new_tokens: int,
    stop_tokens: Sequence[int],
    choose_token: ChooseToken,
    prompts_at_a_time: int | None = None,
) -> list[list[int]]:
    """Continue every prompt group_size times; by default all prompts at a time.

    Returns prompts x group_size token lists, the completions of a prompt next to each other. Each ends with a
    stop token, or has max_new_tokens tokens.
    """
    completions: list[list[int]] = [[] for _ in range(len(prompts) * group_size)]
    at_a_time = prompts_at_a_time or len(prompts)
    for sequence, tokens in decode_as_they_end(
        model, prompts, group_size, max_new_tokens, stop_tokens, choose_token, at_a_time
    ):
        completions[sequence] = tokens
    return completions


@torch.inference_mode()
def decode_as_they_end(
    model: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    group_size: int,
    max_new_tokens: int,
    stop_tokens: Sequence[int],
    choose_token: ChooseToken,
    prompts_at_a_time: int,
) -> Iterator[tuple[int, list[int]]]:
    """As decode, but yields each sequence's number and tokens when it ends.

    Each prompt is indexed once, when there is room for it, so `prompts` may compute it lazily.
    """
    assert not model.training, "layers drop the cache in training mode with gradient checkpointing"
    batch = _Batch(
        model, min(prompts_at_a_time, len(prompts)), group_size, max_new_tokens, stop_tokens, choose_token
    )
    waiting = deque(range(len(prompts)))
    while waiting or batch:
        if waiting and batch.free_share >= REFILL_FROM:
            admitted = [waiting.popleft() for _ in range(min(len(waiting), batch.free))]
            batch.admit(admitted, [prompts[index] for index in admitted])
        else:
            batch.step()
        yield from batch.remove_ended(may_shrink=not waiting)


class _Batch:
    """The sequences that are being decoded: rows of tensors, and their places in the cache."""

    def __init__(
        self,
        model: Qwen2VLForConditionalGeneration,
        prompts: int,
        group: int,
        max_new_tokens: int,
        stop_tokens: Sequence[int],
        choose_token: ChooseToken,
    ) -> None:
        config = model.config.text_config
        self._model, self._group, self._max_new_tokens = model, group, max_new_tokens
        self._choose_token = choose_token
        self._device = model.device
        self._is_stop = torch.zeros(config.vocab_size, dtype=torch.bool, device=self._device)
        self._is_stop[[token for token in stop_tokens if token >= 0]] = True
        self._step = TokenStep(model)
        self._cache = SharedPromptCache(
            config.num_hidden_layers,
            config.num_key_value_heads,
            config.hidden_size // config.num_attention_heads,
            prompts,
            group,
            max_new_tokens - 1,
            self._device,
        )
        self._free = list(range(prompts))

        def nothing() -> Tensor:
            return torch.zeros(0, dtype=torch.long, device=self._device)

        self._sequences = nothing()  # [rows]: number of each row's sequence
        self._places = nothing()  # [rows]: in the cache
        self._positions = nothing()  # [rows]: rotary position of the last token
        self._counts = nothing()  # [rows]: number of tokens chosen so far; all but the last are in the cache
        self._last = nothing()  # [rows]: the last token chosen
        self._tokens = torch.zeros(0, max_new_tokens, dtype=torch.long, device=self._device)  # all chosen
        self._longest = 0  # largest of the counts
        self._largest_logit = torch.zeros((), device=self._device)  # magnitude

    def __bool__(self) -> bool:
        return len(self._sequences) > 0

    @property
    def free(self) -> int:
        """Number of free prompt places."""
        return len(self._free)

    @property
    def free_share(self) -> float:
        """Fraction of the prompt places that is free."""
        return len(self._free) / self._cache.prompts

    def admit(self, numbers: Sequence[int], prompts: Sequence[Prompt]) -> None:
        """Compute prompts into free places and choose their sequences' first tokens."""
        places = [self._free.pop() for _ in prompts]
        logits, keys, values = _prefill(self._model, prompts)
        self._note_size(logits)
        self._cache.put_prompts(places, keys, values)
        group = torch.arange(self._group, device=self._device)

        def numbered(prompts: Sequence[int]) -> Tensor:
            """[prompts] -> [prompts x group]: prompt x group size + place in the group."""
            first = torch.tensor(prompts, device=self._device)[:, None] * self._group
            return (first + group).flatten()

        sequences = numbered(numbers)
        first = self._choose_token(logits.repeat_interleave(self._group, dim=0), sequences, sequences * 0)
        tokens = first.new_zeros(len(first), self._max_new_tokens)
        tokens[:, 0] = first
        self._sequences = torch.cat([self._sequences, sequences])
        self._places = torch.cat([self._places, numbered(places)])
        positions = torch.tensor([prompt.next_position for prompt in prompts], device=self._device)
        self._positions = torch.cat([self._positions, positions.repeat_interleave(self._group)])
        self._counts = torch.cat([self._counts, torch.ones_like(sequences)])
        self._last = torch.cat([self._last, first])
        self._tokens = torch.cat([self._tokens, tokens])
        self._longest = max(self._longest, 1)
        self._tell_cache()

    def step(self) -> None:
        """Feed every sequence's last token and choose the next."""
        # TokenStep chooses its precision itself; autocast would also round the attention scores.
        with torch.autocast(self._device.type, enabled=False):
            logits = self._step(self._last, self._positions, self._cache)
        self._note_size(logits)
        self._last = self._choose_token(logits, self._sequences, self._counts)
        self._tokens.scatter_(1, self._counts[:, None], self._last[:, None])
        self._counts = self._counts + 1
        self._positions = self._positions + 1
        self._longest += 1

    def remove_ended(self, may_shrink: bool) -> Iterator[tuple[int, list[int]]]:
        """Yield and remove the sequences whose last token ended them. Diverged if any logit was not finite.

        may_shrink: the cache may give up empty places, since no prompt is waiting for them.
        """
        ended = self._is_stop[self._last]
        if self._longest == self._max_new_tokens:
            ended = ended | (self._counts == self._max_new_tokens)
        if not ended.any():
            return
        if not math.isfinite(self._largest_logit):
            raise Diverged("the model's logits are nan or infinite")
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

    def _note_size(self, logits: Tensor) -> None:
        """Checked only when sequences end: checking each token would wait for the GPU each time."""
        largest = torch.linalg.vector_norm(logits, ord=math.inf)
        self._largest_logit = torch.maximum(self._largest_logit, largest)  # nan stays nan

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


class _Recorder:
    """Replaces transformers' cache in the attention layers and records their keys and values."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []  # per layer [kv heads, tokens, d], fp32
        self.values: list[Tensor] = []

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        """keys, values: [1, kv heads, tokens, d], returned unchanged."""
        self.keys.append(keys[0].float())
        self.values.append(values[0].float())
        return keys, values


def _prefill(
    model: Qwen2VLForConditionalGeneration, prompts: Sequence[Prompt]
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Compute prompts in packed rows.

    Returns the logits of each prompt's first completion token, [prompts, vocabulary] in fp32, and per prompt
    its keys and values, [layers, kv heads, tokens, d].
    """
    logits, keys, values = [], [], []
    for groups in fill_rows([Group(prompt, ()) for prompt in prompts], PREFILL_TOKENS):
        row = pack(groups, model.device)
        recorder = _Recorder()
        logits.append(model.lm_head(predictor_states(model, row, recorder)).float())
        lengths = [group.tokens for group in groups]
        keys += torch.stack(recorder.keys).split(lengths, dim=2)
        values += torch.stack(recorder.values).split(lengths, dim=2)
    return torch.cat(logits), keys, values


def greedy(logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
    """The most likely token of each sequence."""
    return logits.argmax(-1)
