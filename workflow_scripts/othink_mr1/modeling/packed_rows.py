"""Packed rows: prompts and their completions in one row without padding, each prompt computed once.

See row_layout.py for what a row looks like. The completions of a group share their prompt's keys and values,
and autograd sums their gradients there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_attention import AttentionLayout, attention_layout
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.row_layout import row_layout


@dataclass(frozen=True)
class Group:
    """A prompt and completions of it."""

    prompt: Prompt
    completions: Sequence[Sequence[int]]  # token ids, each non-empty
    # Places in the prompt, counted from 1, whose tokens are predicted like a completion's. Empty except in
    # R1-V's SFT, where there is only a prompt.
    predicted: Sequence[int] = ()

    @property
    def tokens(self) -> int:
        """Number of the group's tokens in a row."""
        return len(self.prompt) + sum(len(completion) for completion in self.completions)


@dataclass(frozen=True)
class PackedRow:
    """One packed row and the positions of its parts. Any number of passes and models can use it."""

    token_ids: Tensor  # [tokens]
    in_prompt: Tensor  # [tokens], bool: an image token that the model writes is no image
    positions: Tensor  # [3, tokens]
    pixel_values: Tensor | None  # [patches, values of a patch], all prompts' images; None with features
    image_grids: Tensor  # [prompts, 3]
    image_features: Tensor | None  # [image tokens, hidden], if the vision tower is frozen
    predictors: Tensor  # row index of the token before each target; for a prompt alone, its last token
    targets: Tensor  # token ids to predict: for each group those in its prompt, then its completions
    completion_lengths: list[int]  # targets of each completion; those in a prompt count as one completion
    attention: AttentionLayout


def pack(groups: Sequence[Group], device: torch.device) -> PackedRow:
    """Lay out groups in one row, in order. A group with nothing to predict is a prompt alone."""
    tokens, positions, predictors = [], [], []
    targets: list[Sequence[int]] = []
    in_prompt = []
    start = 0
    for group in groups:
        tokens.append(group.prompt.token_ids)
        in_prompt += [True] * len(group.prompt) + [False] * (group.tokens - len(group.prompt))
        positions.append(group.prompt.positions)
        end = start + len(group.prompt)
        if group.predicted:
            predictors += [start + place - 1 for place in group.predicted]
            targets.append(group.prompt.token_ids[list(group.predicted)].tolist())
        elif not group.completions:
            predictors.append(end - 1)
        start = end
        targets += group.completions
        for completion in group.completions:
            length = len(completion)
            first = group.prompt.next_position
            tokens.append(torch.tensor(completion))
            positions.append(torch.arange(first, first + length).expand(3, -1))
            predictors += [end - 1, *range(start, start + length - 1)]
            start += length
    layout = row_layout(
        [(len(group.prompt), [len(completion) for completion in group.completions]) for group in groups]
    )
    prompts = [group.prompt for group in groups]
    features = [prompt.image_features for prompt in prompts]
    known = [feature for feature in features if feature is not None]
    assert len(known) in (0, len(features)), "the vision tower is frozen for all prompts or for none"
    return PackedRow(
        token_ids=torch.cat(tokens).to(device),
        in_prompt=torch.tensor(in_prompt).to(device),
        positions=torch.cat(positions, dim=1).to(device),
        pixel_values=None if known else torch.cat([p.pixel_values for p in prompts]).to(device),
        image_grids=torch.cat([prompt.image_grid for prompt in prompts]).to(device),
        image_features=torch.cat(known).to(device) if known else None,
        predictors=torch.tensor(predictors, dtype=torch.long).to(device),
        targets=torch.tensor([token for completion in targets for token in completion], dtype=torch.long).to(
            device
        ),
        completion_lengths=[len(completion) for completion in targets],
        attention=attention_layout(layout, device),
    )


def fill_rows(groups: Sequence[Group], row_tokens: int) -> Iterator[list[Group]]:
    """Divide groups into rows of at most row_tokens, in order.

    A group longer than a row is divided into parts of at least one completion, each with the prompt.
    """
    row: list[Group] = []
    filled = 0
    for part in (part for group in groups for part in _parts(group, row_tokens)):
        if row and filled + part.tokens > row_tokens:
            yield row
            row, filled = [], 0
        row.append(part)
        filled += part.tokens
    if row:
        yield row


def _parts(group: Group, row_tokens: int) -> Iterator[Group]:
    if group.tokens <= row_tokens or not group.completions:
        yield group
        return
    part: list[Sequence[int]] = []
    for completion in group.completions:
        if part and Group(group.prompt, [*part, completion]).tokens > row_tokens:
            yield Group(group.prompt, part)
            part = []
        part.append(completion)
    yield Group(group.prompt, part)


def predictor_states(model: Qwen2VLForConditionalGeneration, row: PackedRow, recorder: Any = None) -> Tensor:
    """The language model's last hidden states at the row's predictors: [predictors, hidden].

    As only these are needed, the last layer computes its feed-forward part, most of its work, only for
    them. recorder: replaces transformers' cache in the attention layers, which call its `update`.
    """
    embeddings = model.get_input_embeddings()(row.token_ids)  # [tokens, hidden]
    features = row.image_features
    if features is None:
        assert row.pixel_values is not None
        features = torch.cat(list(image_features(model, row.pixel_values, row.image_grids)))
    is_image = ((row.token_ids == model.config.image_token_id) & row.in_prompt)[:, None]
    hidden = embeddings.masked_scatter(is_image, features.to(embeddings.dtype))[None]
    text: Any = model.model.language_model
    assert not text.has_sliding_layers, "Qwen2-VL's layers attend to everything"
    assert text.config.attention_dropout == 0, "packed attention drops nothing"
    arguments = {
        "attention_mask": None,  # attention uses the layout instead
        "position_embeddings": text.rotary_emb(hidden, row.positions[:, None]),
        "past_key_values": recorder,
        "packed_layout": row.attention,
    }
    *layers, last = text.layers
    for layer in layers:
        hidden = layer(hidden, **arguments)
    # Not checkpointed: the backward pass needs its activations first, so dropping them saves nothing.
    attended, _ = last.self_attn(last.input_layernorm(hidden), **arguments)
    chosen = (hidden + attended)[0].index_select(0, row.predictors)
    chosen = chosen + last.mlp(last.post_attention_layernorm(chosen))
    states: Tensor = text.norm(chosen)
    return states


def image_features(
    model: Qwen2VLForConditionalGeneration, pixel_values: Tensor, image_grids: Tensor
) -> Sequence[Tensor]:
    """Encode images: per image [image tokens, hidden]."""
    features: Sequence[Tensor] = model.get_image_features(pixel_values, image_grids).pooler_output
    return features


def pad_rows(values: Tensor, lengths: Sequence[int]) -> Tensor:
    """[all tokens] -> [sequences, longest], zeros behind each sequence's end."""
    return pad_sequence(list(values.split(list(lengths))), batch_first=True)
