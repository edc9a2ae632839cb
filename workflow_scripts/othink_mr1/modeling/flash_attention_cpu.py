"""Attention of a packed row on the CPU: little padding, no mask, and a prompt's keys are never repeated.

A completion's tokens see two sets of keys: their prompt's and their own. Each set has its own call of torch's
flash attention, and the two outputs are merged with their log-sum-exps, as in ring attention
(arXiv 2310.01889): with s the scores of set i, out_i = softmax(s) v and l_i = logsumexp(s),

    l = logaddexp(l_1, l_2),  out = exp(l_1 - l) out_1 + exp(l_2 - l) out_2.

The backward kernel takes out and l and computes probabilities as exp(s - l), so with the merged values it
gives each set's exact share of the gradient. torch's public function returns no log-sum-exp, so we call its
operators.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from othink_mr1.modeling.row_layout import RowLayout, Span

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward

# A call costs about as much as this many query-key pairs (40 to 50 µs, 4 heads of 64): sequences are put into
# one padded call as long as padding adds fewer pairs for each of them.
PAIRS_PER_CALL = 8192


class Batch:
    """Sequences of similar length in one causal call, padded on the right, which no real token attends to."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._shape = (len(spans), max(len(span) for span in spans))
        places = torch.arange(self._shape[1]).expand(self._shape)
        lengths = torch.tensor([len(span) for span in spans])[:, None]
        starts = torch.tensor([span.start for span in spans])[:, None]
        # Padding repeats the last token: its scores are finite, and its output is discarded.
        self._rows = (starts + torch.minimum(places, lengths - 1)).flatten()  # [sequences x longest]
        is_token = (places < lengths).flatten()
        self._tokens = is_token.nonzero().squeeze(1)
        self._padding = (~is_token).nonzero().squeeze(1)
        self._token_rows = self._rows[self._tokens]

    def pad(self, values: Tensor) -> Tensor:
        """[row's tokens, heads, ...] -> [sequences, heads, longest, ...]."""
        return self._view(values.index_select(0, self._rows))

    def pad_with_zeros(self, values: Tensor) -> Tensor:
        """As pad, but the padding is zeros."""
        return self._view(values.index_select(0, self._rows).index_fill_(0, self._padding, 0))

    def _view(self, gathered: Tensor) -> Tensor:
        return gathered.view(*self._shape, *gathered.shape[1:]).transpose(1, 2)

    def put(self, padded: Tensor, into: Tensor) -> None:
        """Write [sequences, heads, longest, ...] to its rows of [row's tokens, heads, ...]."""
        values = padded.transpose(1, 2).flatten(0, 1)  # [sequences x longest, heads, ...]
        if len(self._padding):
            values = values.index_select(0, self._tokens)
        into.index_copy_(0, self._token_rows, values)


def batches_of(spans: Sequence[Span]) -> list[Batch]:
    """Batches of similar lengths, longest first."""
    batches: list[list[Span]] = []
    for span in sorted(spans, key=len, reverse=True):
        if batches and len(batches[-1][0]) ** 2 - len(span) ** 2 <= PAIRS_PER_CALL:
            batches[-1].append(span)
        else:
            batches.append([span])
    return [Batch(batch) for batch in batches]


@dataclass(frozen=True)
class FlashLayout:
    """A row's layout in the form that this kernel takes."""

    batches: list[Batch]
    shared: list[tuple[slice, slice]]  # tokens of a prompt, tokens of all of its completions

    @classmethod
    def of(cls, layout: RowLayout) -> FlashLayout:
        """Made once per row, for all layers and passes."""
        return cls(
            batches_of(layout.sequences),
            [
                (slice(shared.prompt.start, shared.prompt.end), slice(shared.group.start, shared.group.end))
                for shared in layout.shared_prompts
            ],
        )

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query [tokens, heads, d], key and value [tokens, kv heads, d] -> [tokens, heads, d]."""
        out: Tensor = _PackedAttention.apply(query, key, value, self, scaling)
        return out


def _one(values: Tensor, tokens: slice) -> Tensor:
    """A batch of one: [row's tokens, heads, ...] -> [1, heads, tokens, ...]."""
    return values[tokens].transpose(0, 1)[None]


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, layout: FlashLayout, scaling: float
    ) -> Tensor:
        out = torch.empty_like(query, memory_format=torch.contiguous_format)  # [tokens, heads, d]
        at_least_fp32 = torch.promote_types(query.dtype, torch.float32)
        log_sums = query.new_empty(query.shape[:2], dtype=at_least_fp32)  # [tokens, heads]
        for batch in layout.batches:
            padded, sums = _forward(
                batch.pad(query), batch.pad(key), batch.pad(value), is_causal=True, scale=scaling
            )
            batch.put(padded, out)
            batch.put(sums, log_sums)
        for prompt, group in layout.shared:
            other, sums = _forward(
                _one(query, group), _one(key, prompt), _one(value, prompt), is_causal=False, scale=scaling
            )
            other, sums = other[0].transpose(0, 1), sums[0].transpose(0, 1)  # [group's tokens, heads, ...]
            merged = torch.logaddexp(log_sums[group], sums)
            own_share = torch.exp(log_sums[group] - merged)[..., None]
            out[group] = out[group] * own_share + other * torch.exp(sums - merged)[..., None]
            log_sums[group] = merged
        ctx.save_for_backward(query, key, value, out, log_sums)
        ctx.layout, ctx.scaling = layout, scaling
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, log_sums = ctx.saved_tensors
        layout, scaling = ctx.layout, ctx.scaling
        gradient = gradient.to(query.dtype)
        gradients = [torch.empty_like(x, memory_format=torch.contiguous_format) for x in (query, key, value)]
        for batch in layout.batches:
            inputs = [batch.pad(x) for x in (query, key, value, out, log_sums)]
            parts = _backward(batch.pad_with_zeros(gradient), *inputs, 0.0, is_causal=True, scale=scaling)
            for part, whole in zip(parts, gradients, strict=True):
                batch.put(part, whole)
        for prompt, group in layout.shared:
            parts = _backward(
                _one(gradient, group),
                _one(query, group),
                _one(key, prompt),
                _one(value, prompt),
                _one(out, group),
                _one(log_sums, group),
                0.0,
                is_causal=False,
                scale=scaling,
            )
            for part, whole, tokens in zip(parts, gradients, (group, prompt, prompt), strict=True):
                whole[tokens] += part[0].transpose(0, 1)
        return *gradients, None, None
