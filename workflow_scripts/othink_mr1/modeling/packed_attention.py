"""The attention functions that transformers' layers call: for packed rows, and for the vision tower.

All layers but attention treat tokens one by one and accept a packed row unchanged. Attention uses the row's
layout, which the caller passes through the model. No layer of transformers is replaced, so gradient
checkpointing works as usual.

Three kernels: flash_attention_cpu.py on a CPU; varlen_attention.py on a GPU in bf16; padded_attention.py on a
GPU in fp32, which flash attention does not take.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, Qwen2VLForConditionalGeneration
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from othink_mr1.modeling.flash_attention_cpu import FlashLayout
from othink_mr1.modeling.padded_attention import PaddedLayout
from othink_mr1.modeling.row_layout import RowLayout
from othink_mr1.modeling.varlen_attention import Bounds, VarlenLayout, flash_takes


class AttentionLayout(Protocol):
    """A row's layout, ready for a device's kernel."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query [tokens, heads, d], key and value [tokens, kv heads, d] -> [tokens, heads, d]."""


def attention_layout(layout: RowLayout, device: torch.device) -> AttentionLayout:
    """The layout for the device's kernel."""
    return FlashLayout.of(layout) if device.type == "cpu" else _OnGPU(layout, device)


class _OnGPU:
    """The kernel depends on the precision, which is known only when a layer calls."""

    def __init__(self, layout: RowLayout, device: torch.device) -> None:
        self._layout, self._device = layout, device

    @cached_property
    def _varlen(self) -> VarlenLayout:
        return VarlenLayout.of(self._layout, self._device)

    @cached_property
    def _padded(self) -> PaddedLayout:
        return PaddedLayout.of(self._layout, self._device)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        kernel = self._varlen if flash_takes(query.device, query.dtype) else self._padded
        return kernel.attend(query, key, value, scaling)


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


def vision_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    *,
    cu_seq_lens_q: Tensor,
    max_length_q: int,
    **_: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention within each picture: [1, heads, patches of all pictures, d] -> [1, patches, heads, d].

    cu_seq_lens_q: [pictures + 1], int32: where each picture begins, and the end. Without flash attention this
    is what transformers does: a call per picture.
    """
    states = [x.to(value.dtype) for x in (query, key, value)]
    if flash_takes(value.device, value.dtype):
        layout = VarlenLayout(Bounds(cu_seq_lens_q, max_length_q), causal=False)
        q, k, v = (x[0].transpose(0, 1) for x in states)
        return layout.attend(q, k, v, scaling)[None], None
    patches = cu_seq_lens_q.diff().tolist()
    pictures = zip(*(x.split(patches, dim=2) for x in (query, key, value)), strict=True)
    outputs = [
        sdpa_attention_forward(module, *picture, None, scaling=scaling, is_causal=False)[0]
        for picture in pictures
    ]
    return torch.cat(outputs, dim=1), None


def use_packed_attention(model: Qwen2VLForConditionalGeneration) -> None:
    """Make the language model call packed_attention, and the vision tower vision_attention."""
    AttentionInterface.register("packed", packed_attention)
    # Without a mask function of the same name, transformers would silently ignore padding.
    AttentionMaskInterface.register("packed", sdpa_mask)
    model.model.language_model.config._attn_implementation = "packed"
    # transformers gives all pictures at a time to functions whose names contain "flash".
    AttentionInterface.register("flash_per_picture", vision_attention)
    model.model.visual.config._attn_implementation = "flash_per_picture"
