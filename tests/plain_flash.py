"""torch's flash attention operators for sequences of different lengths, in plain arithmetic.

They exist for GPUs only. These have their arguments and results, so that what calls them is tested on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType
from typing import Any

import torch
from torch import Tensor


def forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cum_seq_q: Tensor,
    cum_seq_k: Tensor,
    max_q: int,
    max_k: int,
    dropout_p: float,
    is_causal: bool,
    return_debug_mask: bool,
    *,
    scale: float,
    seqused_k: Tensor | None = None,
) -> tuple[Tensor, Tensor, None, None, None]:
    """As aten::_flash_attention_forward: output, log-sum-exps [heads, tokens], and what nobody reads."""
    assert (dropout_p, return_debug_mask) == (0.0, False)
    out = torch.full_like(query, math.nan)
    log_sums = query.new_full((query.shape[1], len(query)), math.nan, dtype=torch.float32)
    for number, (queries, keys) in enumerate(_sequences(cum_seq_q, cum_seq_k, max_q, max_k)):
        if seqused_k is not None:
            keys = slice(keys.start, keys.start + int(seqused_k[number]))
        scores, values = _scores(query[queries], key[keys], value[keys], is_causal, scale)
        log_sums[:, queries] = scores.logsumexp(-1)
        out[queries] = (scores.softmax(-1) @ values).transpose(0, 1).to(out.dtype)
    return out, log_sums, None, None, None


def backward(
    grad_out: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    logsumexp: Tensor,
    cum_seq_q: Tensor,
    cum_seq_k: Tensor,
    max_q: int,
    max_k: int,
    dropout_p: float,
    is_causal: bool,
    rng_state: Tensor,
    unused: Tensor,
    *,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """As aten::_flash_attention_backward: probabilities are exp(score - logsumexp), as that kernel's are."""
    assert dropout_p == 0.0
    assert grad_out.is_contiguous()
    gradients = [torch.zeros_like(states, dtype=torch.float32) for states in (query, key, value)]
    sharing = query.shape[1] // key.shape[1]
    for queries, keys in _sequences(cum_seq_q, cum_seq_k, max_q, max_k):
        scores, values = _scores(query[queries], key[keys], value[keys], is_causal, scale)
        probabilities = (scores - logsumexp[:, queries, None]).exp()
        upstream = grad_out[queries].float().transpose(0, 1)  # [heads, queries, d]
        product = (upstream * out[queries].float().transpose(0, 1)).sum(-1, keepdim=True)
        of_scores = probabilities * (upstream @ values.transpose(1, 2) - product) * scale
        repeated = key[keys].float().repeat_interleave(sharing, dim=1).transpose(0, 1)
        found = (
            of_scores @ repeated,
            of_scores.transpose(1, 2) @ query[queries].float().transpose(0, 1),
            probabilities.transpose(1, 2) @ upstream,
        )
        gradients[0][queries] += found[0].transpose(0, 1)
        for total, part in zip(gradients[1:], found[1:], strict=True):
            total[keys] += part.unflatten(0, (-1, sharing)).sum(1).transpose(0, 1)
    dq, dk, dv = (
        total.to(states.dtype) for total, states in zip(gradients, (query, key, value), strict=True)
    )
    return dq, dk, dv


def use(monkeypatch: Any, module: ModuleType) -> None:
    """Let varlen_attention.py call these."""
    monkeypatch.setattr(module, "_forward", forward)
    monkeypatch.setattr(module, "_backward", backward)


def _sequences(cum_seq_q: Tensor, cum_seq_k: Tensor, max_q: int, max_k: int) -> Iterator[tuple[slice, slice]]:
    assert cum_seq_q.dtype == cum_seq_k.dtype == torch.int32
    assert len(cum_seq_q) == len(cum_seq_k)
    assert int(cum_seq_q.diff().max()) == max_q
    assert int(cum_seq_k.diff().max()) == max_k
    for queries, keys in zip(pairwise(cum_seq_q.tolist()), pairwise(cum_seq_k.tolist()), strict=True):
        yield slice(*queries), slice(*keys)


def _scores(query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float) -> tuple[Tensor, Tensor]:
    """[heads, queries, keys] in fp32, and the values repeated for the query heads, [heads, keys, d]."""
    sharing = query.shape[1] // key.shape[1]
    q = query.float().transpose(0, 1)
    k, v = (states.float().repeat_interleave(sharing, dim=1).transpose(0, 1) for states in (key, value))
    scores = q @ k.transpose(1, 2) * scale
    if causal:
        assert scores.shape[1] == scores.shape[2]
        scores = scores.masked_fill(torch.ones_like(scores[0], dtype=torch.bool).triu(1), -math.inf)
    return scores, v
