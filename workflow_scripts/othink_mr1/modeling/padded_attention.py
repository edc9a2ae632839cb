"""Attention of a packed row by torch's public function, in padded batches: for devices other than the CPU.

Sequences without a shared prompt are one batch, causal; completions that share a prompt are another, whose
keys are the prompt's, repeated, and their own. On a GPU torch picks the kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from othink_mr1.modeling.row_layout import RowLayout, Span


@dataclass(frozen=True)
class PaddedBatch:
    """Spans of a row as a batch padded at the right."""

    rows: Tensor  # [tokens of all spans]: their place in the row
    slots: Tensor  # [tokens of all spans]: their place in the flattened batch
    shape: tuple[int, int]  # spans, longest

    @classmethod
    def of(cls, spans: Sequence[Span], device: torch.device) -> PaddedBatch:
        """Index tensors on device."""
        shape = (len(spans), max(len(span) for span in spans))
        rows = torch.cat([torch.arange(span.start, span.end) for span in spans])
        slots = torch.cat([torch.arange(len(span)) + index * shape[1] for index, span in enumerate(spans)])
        return cls(rows.to(device), slots.to(device), shape)

    def unpack(self, values: Tensor) -> Tensor:
        """[row's tokens, heads, d] -> [spans, heads, longest, d], zeros for padding."""
        padded = values.new_zeros(self.shape[0] * self.shape[1], *values.shape[1:])
        padded = padded.index_copy(0, self.slots, values.index_select(0, self.rows))
        return padded.view(*self.shape, *values.shape[1:]).transpose(1, 2)

    def pack(self, padded: Tensor) -> Tensor:
        """[spans, heads, longest, d] -> [tokens of all spans, heads, d]."""
        return padded.transpose(1, 2).flatten(0, 1).index_select(0, self.slots)


@dataclass(frozen=True)
class PaddedLayout:
    """A row's layout as padded batches."""

    alone: PaddedBatch  # sequences that see only themselves; shared prompts are among them
    sharing: PaddedBatch | None  # completions that share a prompt
    owners: Tensor  # [completions that share]: index of their prompt in `alone`
    mask: Tensor | None  # [completions that share, 1, longest, longest alone + longest]
    order: Tensor  # [tokens]: place of each of the row's tokens in what the two batches give

    @classmethod
    def of(cls, layout: RowLayout, device: torch.device) -> PaddedLayout:
        """Made once per row, for all layers and passes."""
        completions = [span for shared in layout.shared_prompts for span in shared.completions]
        alone_spans = [span for span in layout.sequences if span not in set(completions)]
        alone = PaddedBatch.of(alone_spans, device)
        owners = [
            alone_spans.index(shared.prompt) for shared in layout.shared_prompts for _ in shared.completions
        ]
        sharing, mask, rows = None, None, alone.rows
        if completions:
            sharing = PaddedBatch.of(completions, device)
            rows = torch.cat([alone.rows, sharing.rows])
            prompt_lengths = torch.tensor([len(alone_spans[owner]) for owner in owners])
            longest = sharing.shape[1]
            # Padding stands at the right, where causality hides it from every real token.
            sees_prompt = torch.arange(alone.shape[1]) < prompt_lengths[:, None, None]
            sees_itself = torch.ones(longest, longest, dtype=torch.bool).tril()
            mask = torch.cat(
                [sees_prompt.expand(-1, longest, -1), sees_itself.expand(len(owners), -1, -1)], dim=2
            )[:, None].to(device)
        return cls(alone, sharing, torch.tensor(owners, device=device), mask, rows.argsort())

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query [tokens, heads, d], key and value [tokens, kv heads, d] -> [tokens, heads, d]."""
        q, k, v = (self.alone.unpack(x) for x in (query, key, value))
        out = self.alone.pack(
            scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)
        )
        if self.sharing is not None:
            own_q, own_k, own_v = (self.sharing.unpack(x) for x in (query, key, value))
            shared_out = scaled_dot_product_attention(
                own_q,
                torch.cat([k.index_select(0, self.owners), own_k], dim=2),
                torch.cat([v.index_select(0, self.owners), own_v], dim=2),
                attn_mask=self.mask,
                scale=scaling,
                enable_gqa=True,
            )
            out = torch.cat([out, self.sharing.pack(shared_out)])
        return out.index_select(0, self.order)
