"""Decoding: completions of prompts, token by token, for rollouts (sampled) and evaluation (greedy).

Each prompt is computed once; its keys and values are then copied for its completions. Sequences that
have ended are dropped from the batch now and then. transformers' layers do the computing; the loop, the
cache and the choice of tokens are ours, because `generate` repeats the prompt for every completion and
draws from one random stream for the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import image_features
from othink_mr1.modeling.prompts import Prompt

# (logits [sequences, vocabulary], sequences [sequences], step) -> chosen token ids [sequences]
ChooseToken = Callable[[Tensor, Tensor, int], Tensor]

# Copying the cache costs about as much as a few decoding steps, so wait until it pays.
DROP_ENDED_FROM = 0.2


class KeyValueCache:
    """Keys and values of every layer, in buffers as long as the longest possible sequence.

    Stands in for transformers' cache in the attention layers, which call only `update`.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._keys: dict[int, Tensor] = {}  # layer -> [sequences, kv heads, capacity, d]
        self._values: dict[int, Tensor] = {}
        self.length = 0  # filled columns; the caller advances it after each forward

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        """Append [sequences, kv heads, new, d] and return everything so far."""
        end = self.length + keys.shape[2]
        if layer not in self._keys:
            for store, states in ((self._keys, keys), (self._values, values)):
                store[layer] = states.new_empty(*states.shape[:2], self._capacity, states.shape[3])
        self._keys[layer][:, :, self.length : end] = keys
        self._values[layer][:, :, self.length : end] = values
        return self._keys[layer][:, :, :end], self._values[layer][:, :, :end]

    def select(self, sequences: Tensor) -> None:
        """Keep, drop or repeat sequences by index; only the filled columns are copied."""
        for store in (self._keys, self._values):
            for layer, states in store.items():
                chosen = states.new_empty(len(sequences), *states.shape[1:])
                chosen[:, :, : self.length] = states[:, :, : self.length].index_select(0, sequences)
                store[layer] = chosen


@torch.no_grad()
def decode(
    model: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    completions_per_prompt: int,
    max_new_tokens: int,
    stop_tokens: Sequence[int],
    choose_token: ChooseToken,
) -> list[list[int]]:
    """Continue every prompt completions_per_prompt times.

    Returns prompts x completions_per_prompt token lists, a prompt's completions in a row. Each ends with
    the stop token that ended it, or has max_new_tokens tokens.
    """
    assert not model.training, "layers drop the cache in training mode with gradient checkpointing"
    device = model.device
    longest = max(len(prompt) for prompt in prompts)
    cache = KeyValueCache(longest + max_new_tokens)
    logits = _prefill(model, prompts, longest, cache)  # [prompts, vocabulary]

    alive = torch.arange(len(prompts) * completions_per_prompt, device=device)  # sequences in the batch
    of_prompt = alive // completions_per_prompt
    cache.select(of_prompt)
    logits = logits[of_prompt]
    padding = torch.tensor([longest - len(prompt) for prompt in prompts], device=device)
    columns = torch.arange(longest + max_new_tokens, device=device)
    visible = (columns >= padding[of_prompt, None])[:, None, None]  # [sequences, 1, 1, columns]
    positions = torch.tensor([prompt.next_position for prompt in prompts], device=device)[of_prompt]
    stops = torch.tensor(stop_tokens, device=device)

    tokens = torch.full((len(alive), max_new_tokens), -1, device=device)  # -1 behind the end
    ended = torch.zeros(len(alive), dtype=torch.bool, device=device)
    for step in range(max_new_tokens):
        chosen = choose_token(logits, alive, step)  # [sequences]
        tokens[alive, step] = chosen.where(~ended, -1)
        ended = ended | torch.isin(chosen, stops)
        ended_share = ended.float().mean().item()
        if ended_share == 1 or step == max_new_tokens - 1:
            break
        if ended_share >= DROP_ENDED_FROM:
            kept = (~ended).nonzero().squeeze(1)
            alive, chosen, positions, visible = alive[kept], chosen[kept], positions[kept], visible[kept]
            ended = ended[kept]
            cache.select(kept)
        logits = _next_logits(model, chosen, positions + step, visible, cache)
    return [row[row >= 0].tolist() for row in tokens.cpu()]


def _prefill(
    model: Qwen2VLForConditionalGeneration, prompts: Sequence[Prompt], longest: int, cache: KeyValueCache
) -> Tensor:
    """Compute the prompts, padded on the left, into the cache. Returns [prompts, vocabulary]."""
    device = model.device
    token_ids = torch.stack([pad(p.token_ids, (longest - len(p), 0)) for p in prompts]).to(device)
    positions = torch.stack([pad(p.positions, (longest - len(p), 0)) for p in prompts], dim=1).to(device)
    is_real = torch.stack([pad(torch.ones(len(p)), (longest - len(p), 0)) for p in prompts]).bool().to(device)
    is_image = ((token_ids == model.config.image_token_id) & is_real)[:, :, None]

    features = image_features(
        model,
        torch.cat([p.pixel_values for p in prompts]).to(device),
        torch.cat([p.image_grid for p in prompts]).to(device),
    )
    embeddings = model.get_input_embeddings()(token_ids)  # [prompts, longest, hidden]
    embeddings = embeddings.masked_scatter(is_image, features.to(embeddings.dtype))
    causal = torch.ones(longest, longest, dtype=torch.bool, device=device).tril()
    # A padding token sees itself, or its softmax would be over nothing.
    itself = torch.eye(longest, dtype=torch.bool, device=device)
    visible = (causal & is_real[:, None, :]) | itself  # [prompts, longest, longest]
    hidden = model.model.language_model(
        inputs_embeds=embeddings,
        position_ids=positions,
        attention_mask={"full_attention": visible[:, None]},
        past_key_values=cache,
    ).last_hidden_state
    cache.length = longest
    logits: Tensor = model.lm_head(hidden[:, -1])
    return logits.float()


def _next_logits(
    model: Qwen2VLForConditionalGeneration,
    tokens: Tensor,
    positions: Tensor,
    visible: Tensor,
    cache: KeyValueCache,
) -> Tensor:
    """Feed one token per sequence. Returns [sequences, vocabulary], in fp32."""
    hidden = model.model.language_model(
        inputs_embeds=model.get_input_embeddings()(tokens)[:, None],
        position_ids=positions.expand(3, -1)[:, :, None],
        attention_mask={"full_attention": visible[:, :, :, : cache.length + 1]},
        past_key_values=cache,
    ).last_hidden_state
    cache.length += 1
    logits: Tensor = model.lm_head(hidden[:, -1])
    return logits.float()


def greedy(logits: Tensor, sequences: Tensor, step: int) -> Tensor:
    """The likeliest token of each sequence."""
    return logits.argmax(-1)
