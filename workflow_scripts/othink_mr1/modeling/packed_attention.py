"""The attention function that transformers' layers call for packed rows.

All layers but attention treat tokens one by one and accept a packed row unchanged. Attention uses the row's
layout, which the caller passes through the model. No layer of transformers is replaced, so gradient
checkpointing works as usual.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, Qwen2VLForConditionalGeneration
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from othink_mr1.modeling.flash_attention_cpu import FlashLayout
from othink_mr1.modeling.padded_attention import PaddedLayout
from othink_mr1.modeling.row_layout import RowLayout


class AttentionLayout(Protocol):
    """A row's layout, ready for a device's kernel."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query [tokens, heads, d], key and value [tokens, kv heads, d] -> [tokens, heads, d]."""


def attention_layout(layout: RowLayout, device: torch.device) -> AttentionLayout:
    """The layout for the device's kernel."""
    if device.type == "cpu":
        return FlashLayout.of(layout)
    return PaddedLayout.of(layout, device)


def packed_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    packed_layout: AttentionLayout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention within a packed row: query [1, heads, tokens, d], key and value [1, kv heads, tokens, d].

    Returns [1, tokens, heads, d] as transformers expects. Without a layout, the batch is an ordinary one and
    goes to transformers' own function.
    """
    if packed_layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    # Under autocast, the rotary embedding gives fp32 queries and keys while values are bf16.
    q, k, v = (states[0].transpose(0, 1).to(value.dtype) for states in (query, key, value))
    return packed_layout.attend(q, k, v, scaling)[None], None


def use_packed_attention(model: Qwen2VLForConditionalGeneration) -> None:
    """Make the language model call packed_attention; the vision tower's kernel is unchanged."""
    AttentionInterface.register("packed", packed_attention)
    # Without a mask function of the same name, transformers would silently ignore padding.
    AttentionMaskInterface.register("packed", sdpa_mask)
    model.model.language_model.config._attn_implementation = "packed"
