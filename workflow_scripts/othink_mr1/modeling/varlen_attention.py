"""Attention of sequences of different lengths by torch's flash attention: the GPU's kernel for bf16.

One call takes any number of sequences that stand next to each other in one tensor. There is no mask, no
padding, and no repeated key head. A new shape costs nothing, unlike with cuDNN, which plans each shape anew.

A completion's tokens see two sets of keys, their prompt's and their own, in a call each. The outputs are
merged with their log-sum-exps, and the backward pass uses the merged ones, as on the CPU: see
flash_attention_cpu.py for the formula. torch's public `varlen_attn` has no backward pass for merged values,
so we call the operators below it. Not yet run on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from othink_mr1.modeling.row_layout import RowLayout

_forward = torch.ops.aten._flash_attention_forward
_backward = torch.ops.aten._flash_attention_backward


def flash_takes(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this kernel computes for the device and precision: the switch between it and the others."""
    return device.type == "cuda" and dtype == torch.bfloat16


@dataclass(frozen=True)
class Bounds:
    """Where sequences that stand next to each other begin and end."""

    starts: Tensor  # [sequences + 1], int32: the first token of each, and the end of the last
    longest: int  # tokens

    @classmethod
    def of(cls, lengths: Sequence[int], device: torch.device) -> Bounds:
        """lengths: tokens of each sequence."""
        starts = torch.tensor([0, *lengths]).cumsum(0, dtype=torch.int32)
        return cls(starts.to(device), max(lengths))


def flash(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    queries: Bounds,
    keys: Bounds,
    causal: bool,
    scaling: float,
    used: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Each sequence of queries sees the sequence of keys with the same number.

    query: [tokens, heads, d]; key, value: [their tokens, kv heads, d]. used: [sequences], int32: only so many
    keys of each are seen. Returns [tokens, heads, d] and the log-sum-exps, [heads, tokens] in fp32.
    """
    out, log_sums, *_ = _forward(
        *(query, key, value, queries.starts, keys.starts, queries.longest, keys.longest, 0.0, causal, False),
        scale=scaling,
        seqused_k=used,
    )
    return out, log_sums


@dataclass(frozen=True)
class _Shared:
    """Prompts whose keys the completions of their groups also see."""

    prompt_rows: Tensor  # [tokens of these prompts]: their places in the row
    group_rows: Tensor  # [tokens of their completions]: likewise
    prompts: Bounds
    groups: Bounds


@dataclass(frozen=True)
class VarlenLayout:
    """A row's layout in the form that this kernel takes."""

    sequences: Bounds
    causal: bool
    shared: _Shared | None = None

    @classmethod
    def of(cls, layout: RowLayout, device: torch.device) -> VarlenLayout:
        """Made once per row, for all layers and passes."""
        prompts = [shared.prompt for shared in layout.shared_prompts]
        groups = [shared.group for shared in layout.shared_prompts]
        shared = None
        if prompts:
            prompt_rows, group_rows = (
                torch.cat([torch.arange(span.start, span.end) for span in spans]).to(device)
                for spans in (prompts, groups)
            )
            prompt_bounds, group_bounds = (
                Bounds.of([len(span) for span in spans], device) for spans in (prompts, groups)
            )
            shared = _Shared(prompt_rows, group_rows, prompt_bounds, group_bounds)
        return cls(Bounds.of([len(span) for span in layout.sequences], device), True, shared)

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query [tokens, heads, d], key and value [tokens, kv heads, d] -> [tokens, heads, d]."""
        out: Tensor = _VarlenAttention.apply(query, key, value, self, scaling)
        return out


class _VarlenAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, layout: VarlenLayout, scaling: float
    ) -> Tensor:
        own = layout.sequences
        out, log_sums = flash(query, key, value, own, own, layout.causal, scaling)
        if (shared := layout.shared) is not None:
            prompt_key, prompt_value = (states.index_select(0, shared.prompt_rows) for states in (key, value))
            other, other_sums = flash(
                query.index_select(0, shared.group_rows),
                *(prompt_key, prompt_value, shared.groups, shared.prompts, False, scaling),
            )
            own_sums = log_sums.index_select(1, shared.group_rows)
            merged = torch.logaddexp(own_sums, other_sums)
            own_share, other_share = (
                torch.exp(sums - merged).t()[..., None] for sums in (own_sums, other_sums)
            )
            mixed = out.index_select(0, shared.group_rows) * own_share + other * other_share
            out.index_copy_(0, shared.group_rows, mixed.to(out.dtype))
            log_sums.index_copy_(1, shared.group_rows, merged)
        ctx.save_for_backward(query, key, value, out, log_sums)
        ctx.layout, ctx.scaling = layout, scaling
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, log_sums = ctx.saved_tensors
        layout: VarlenLayout = ctx.layout
        gradient = gradient.to(query.dtype).contiguous()
        # Of dropout's random numbers, which are not drawn.
        no_numbers = torch.zeros(2, dtype=torch.uint64, device=query.device)

        def gradients(
            states: tuple[Tensor, ...], queries: Bounds, keys: Bounds, causal: bool
        ) -> tuple[Tensor, Tensor, Tensor]:
            """states: gradient, query, key, value, out, log-sum-exps of one call."""
            found: tuple[Tensor, Tensor, Tensor] = _backward(
                *(*states, queries.starts, keys.starts, queries.longest, keys.longest, 0.0, causal),
                no_numbers,
                no_numbers,
                scale=ctx.scaling,
            )
            return found

        own = layout.sequences
        whole = gradients((gradient, query, key, value, out, log_sums), own, own, layout.causal)
        if (shared := layout.shared) is not None:
            group, prompt = shared.group_rows, shared.prompt_rows
            parts = gradients(
                (
                    gradient.index_select(0, group),
                    query.index_select(0, group),
                    key.index_select(0, prompt),
                    value.index_select(0, prompt),
                    out.index_select(0, group),
                    log_sums.index_select(1, group),
                ),
                *(shared.groups, shared.prompts, False),
            )
            for part, total, rows in zip(parts, whole, (group, prompt, prompt), strict=True):
                total.index_add_(0, rows, part)
        return *whole, None, None
