"""Attention of a packed row with torch's public function, in padded batches: for devices other than the CPU.

Sequences without a shared prompt are one causal batch. A group's completions are another batch, whose keys
are the prompt's (repeated) and their own. On a GPU torch picks the kernel. Not yet run on a GPU.
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
    """Spans of a row as a batch padded on the right."""

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
class SharingBatch:
    """A group's completions, and which of their keys each of their tokens sees."""

    prompt: slice  # tokens of the shared prompt in the row
    completions: PaddedBatch
    mask: Tensor  # [1, 1, longest completion, prompt + longest completion]


@dataclass(frozen=True)
class PaddedLayout:
    """A row's layout as padded batches: one of sequences that see only themselves, and one per sharing group.

    If torch's kernel stores scores, a batch per group bounds their memory by the longest completion of the
    group, not of the row.
    """

    alone: PaddedBatch  # sequences that see only themselves; shared prompts are among them
    sharing: list[SharingBatch]
    order: Tensor  # [tokens]: place of each of the row's tokens in the batches' outputs

    @classmethod
    def of(cls, layout: RowLayout, device: torch.device) -> PaddedLayout:
        """Made once per row, for all layers and passes."""
        completions = {span for shared in layout.shared_prompts for span in shared.completions}
        alone = PaddedBatch.of([span for span in layout.sequences if span not in completions], device)
        sharing = []
        for shared in layout.shared_prompts:
            batch = PaddedBatch.of(shared.completions, device)
            # Padding is on the right, where the causal mask hides it from every real token.
            sees_itself = torch.ones(batch.shape[1], batch.shape[1], dtype=torch.bool).tril()
            sees_prompt = torch.ones(batch.shape[1], len(shared.prompt), dtype=torch.bool)
            mask = torch.cat([sees_prompt, sees_itself], dim=1)[None, None].to(device)
            sharing.append(SharingBatch(slice(shared.prompt.start, shared.prompt.end), batch, mask))
        rows = torch.cat([alone.rows, *(batch.completions.rows for batch in sharing)])
        return cls(alone, sharing, rows.argsort())

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float) -> Tensor:
        """query [tokens, heads, d], key and value [tokens, kv heads, d] -> [tokens, heads, d]."""
        # Repeated for the query heads, since not all of torch's kernels accept fewer key heads than query
        # heads together with a mask.
        sharing_heads = query.shape[1] // key.shape[1]
        key, value = (states.repeat_interleave(sharing_heads, dim=1) for states in (key, value))
        q, k, v = (self.alone.unpack(x) for x in (query, key, value))
        parts = [self.alone.pack(scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling))]
        for batch in self.sharing:
            q, own_k, own_v = (batch.completions.unpack(x) for x in (query, key, value))
            prompt_k, prompt_v = (
                states[batch.prompt].transpose(0, 1).expand(len(q), -1, -1, -1) for states in (key, value)
            )
            out = scaled_dot_product_attention(
                q,
                torch.cat([prompt_k, own_k], dim=2),
                torch.cat([prompt_v, own_v], dim=2),
                attn_mask=batch.mask,
                scale=scaling,
            )
            parts.append(batch.completions.pack(out))
        return torch.cat(parts).index_select(0, self.order)
