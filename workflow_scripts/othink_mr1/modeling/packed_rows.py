"""Packed rows: prompts and their completions in one row without padding, each prompt computed once.

The row is [p1 p2 .. pP c1 c2 .. cN]. All layers but attention treat tokens one by one and take the row as
it is; only attention needs to know what belongs together. Prompt tokens attend causally to their own
prompt; completion tokens attend to their prompt and causally to themselves, so the completions of a group
share the prompt's keys and values, and autograd sums their gradients there.

The attention function is registered with transformers and un-packs queries, keys and values into padded
batches, because torch's kernels want those. Nothing of transformers' layers is replaced, so gradient
checkpointing works as ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence
from transformers import AttentionInterface, AttentionMaskInterface, Qwen2VLForConditionalGeneration
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from othink_mr1.modeling.prompts import Prompt


@dataclass(frozen=True)
class PackedRow:
    """One packed row and where everything is in it."""

    token_ids: Tensor  # [tokens]
    positions: Tensor  # [3, tokens]
    pixel_values: Tensor  # [patches, values of a patch], all prompts' images
    image_grids: Tensor  # [prompts, 3]
    predictors: Tensor  # [completion tokens]: row index of the token before each completion token
    completion_lengths: list[int]  # [completions]
    layout: PackedLayout


@dataclass(frozen=True)
class PackedLayout:
    """What attention must know about a row."""

    prompt_slots: Tensor  # [prompt tokens]: place of each in the flattened padded batch of prompts
    prompt_shape: tuple[int, int]  # prompts, longest prompt
    completion_slots: Tensor  # [completion tokens]: place of each in the padded batch of completions
    completion_shape: tuple[int, int]  # completions, longest completion
    owners: Tensor  # [completions]: index of each completion's prompt
    completion_mask: Tensor  # [completions, 1, longest completion, longest prompt + longest completion]


def pack(
    prompts: Sequence[Prompt],
    completions: Sequence[Sequence[int]],
    owners: Sequence[int],
    device: torch.device,
) -> PackedRow:
    """Lay out prompts and completions in one row.

    completions: token ids, each non-empty; owners: index of each completion's prompt.
    """
    prompt_lengths = [len(prompt) for prompt in prompts]
    lengths = [len(completion) for completion in completions]
    ends = torch.tensor(prompt_lengths).cumsum(0)  # [prompts]
    starts = torch.tensor(lengths).cumsum(0) - torch.tensor(lengths) + ends[-1]  # [completions]

    positions = [prompt.positions for prompt in prompts]
    predictors = []
    for owner, start, length in zip(owners, starts.tolist(), lengths, strict=True):
        first = prompts[owner].next_position
        positions.append(torch.arange(first, first + length).expand(3, -1))
        predictors.append(torch.cat([ends[owner, None] - 1, torch.arange(start, start + length - 1)]))

    tokens = [prompt.token_ids for prompt in prompts] + [
        torch.tensor(completion) for completion in completions
    ]
    return PackedRow(
        token_ids=torch.cat(tokens).to(device),
        positions=torch.cat(positions, dim=1).to(device),
        pixel_values=torch.cat([prompt.pixel_values for prompt in prompts]).to(device),
        image_grids=torch.cat([prompt.image_grid for prompt in prompts]).to(device),
        predictors=torch.cat(predictors).to(device),
        completion_lengths=lengths,
        layout=_layout(prompt_lengths, lengths, owners, device),
    )


def _layout(
    prompt_lengths: list[int], lengths: list[int], owners: Sequence[int], device: torch.device
) -> PackedLayout:
    longest_prompt, longest = max(prompt_lengths), max(lengths)
    is_prompt = _valid(prompt_lengths)  # [prompts, longest prompt]
    is_completion = _valid(lengths)  # [completions, longest completion]
    owner_index = torch.tensor(owners)
    # Padding stands at the right, where causality hides it from every real token.
    sees_prompt = is_prompt[owner_index][:, None, :].expand(-1, longest, -1)
    sees_itself = torch.ones(longest, longest, dtype=torch.bool).tril().expand(len(lengths), -1, -1)
    return PackedLayout(
        prompt_slots=is_prompt.flatten().nonzero().squeeze(1).to(device),
        prompt_shape=(len(prompt_lengths), longest_prompt),
        completion_slots=is_completion.flatten().nonzero().squeeze(1).to(device),
        completion_shape=(len(lengths), longest),
        owners=owner_index.to(device),
        completion_mask=torch.cat([sees_prompt, sees_itself], dim=2)[:, None].to(device),
    )


def _valid(lengths: list[int]) -> Tensor:
    """[sequences, longest], true where a sequence has a token."""
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def row_hidden_states(model: Qwen2VLForConditionalGeneration, row: PackedRow) -> Tensor:
    """The language model's last hidden states of a row: [tokens, hidden]."""
    embeddings = model.get_input_embeddings()(row.token_ids)  # [tokens, hidden]
    features = image_features(model, row.pixel_values, row.image_grids)
    is_image = (row.token_ids == model.config.image_token_id)[:, None]
    embeddings = embeddings.masked_scatter(is_image, features.to(embeddings.dtype))
    output = model.model.language_model(
        inputs_embeds=embeddings[None],
        position_ids=row.positions[:, None],
        # A dict tells transformers that the masks are made; the layout is what attention goes by.
        attention_mask={"full_attention": None},
        use_cache=False,
        packed_layout=row.layout,
    )
    hidden: Tensor = output.last_hidden_state[0]
    return hidden


def image_features(
    model: Qwen2VLForConditionalGeneration, pixel_values: Tensor, image_grids: Tensor
) -> Tensor:
    """Encode images: [image tokens of all images, hidden]."""
    return torch.cat(model.get_image_features(pixel_values, image_grids).pooler_output)


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    packed_layout: PackedLayout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention within a packed row: query [1, heads, tokens, d], key and value [1, kv heads, tokens, d].

    Returns [1, tokens, heads, d] as transformers expects. Without a layout the batch is an ordinary one
    (decoding), for transformers' own function.
    """
    if packed_layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    layout = packed_layout
    parts = [len(layout.prompt_slots), len(layout.completion_slots)]
    # [tokens, heads, d], prompts and completions apart
    (prompt_q, own_q), (prompt_k, own_k), (prompt_v, own_v) = (
        states[0].transpose(0, 1).split(parts) for states in (query, key, value)
    )

    q, k, v = (_unpack(x, layout.prompt_slots, layout.prompt_shape) for x in (prompt_q, prompt_k, prompt_v))
    prompt_out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)

    own_q, own_k, own_v = (
        _unpack(x, layout.completion_slots, layout.completion_shape) for x in (own_q, own_k, own_v)
    )
    completion_out = scaled_dot_product_attention(
        own_q,
        torch.cat([k.index_select(0, layout.owners), own_k], dim=2),
        torch.cat([v.index_select(0, layout.owners), own_v], dim=2),
        attn_mask=layout.completion_mask,
        scale=scaling,
        enable_gqa=True,
    )
    packed = torch.cat(
        [_pack(prompt_out, layout.prompt_slots), _pack(completion_out, layout.completion_slots)]
    )  # [tokens, heads, d]
    return packed[None], None


def _unpack(packed: Tensor, slots: Tensor, shape: tuple[int, int]) -> Tensor:
    """[tokens, heads, d] -> [sequences, heads, longest, d], zeros where a sequence has no token."""
    sequences, longest = shape
    padded = packed.new_zeros(sequences * longest, *packed.shape[1:]).index_copy(0, slots, packed)
    return padded.view(sequences, longest, *packed.shape[1:]).transpose(1, 2)


def _pack(padded: Tensor, slots: Tensor) -> Tensor:
    """[sequences, heads, longest, d] -> [tokens, heads, d]."""
    return padded.transpose(1, 2).flatten(0, 1).index_select(0, slots)


def use_packed_attention(model: Qwen2VLForConditionalGeneration) -> None:
    """Make the language model call packed_attention; the vision tower keeps its kernel."""
    AttentionInterface.register("packed", packed_attention)
    # Without a mask function of the same name, transformers would ignore padding silently.
    AttentionMaskInterface.register("packed", sdpa_mask)
    model.model.language_model.config._attn_implementation = "packed"


def pad_rows(values: Tensor, lengths: Sequence[int]) -> Tensor:
    """[all tokens] -> [sequences, longest], zeros behind each sequence's end."""
    return pad_sequence(list(values.split(list(lengths))), batch_first=True)
