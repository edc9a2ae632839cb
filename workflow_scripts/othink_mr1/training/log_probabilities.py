"""Log-probabilities of completions under a model; each prompt is computed once for all its completions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import PackedRow, pad_rows, predictor_states

# Logits are the largest tensor (a real vocabulary has 152k entries), so they are computed in chunks of this
# many numbers. CPU: the best of 2^17 .. 2^23; smaller chunks stay in the cache, but their products are slow.
# GPU: a bound on memory, not measured.
LOGITS_AT_A_TIME = {"cpu": 2**21, "cuda": 2**27}
# Name of the method of a sharded model that gathers its weights and calls `completion_log_probabilities`.
OWN_FORWARD = "packed_log_probabilities"


def completion_log_probabilities(
    model: Qwen2VLForConditionalGeneration, row: PackedRow, temperature: float = 1.0
) -> Tensor:
    """log π(token | image, prompt, tokens before), in nats, fp32: [completions, longest], zeros after ends.

    The completions are those of the row's groups, in order. temperature divides the logits, as in sampling.
    The softmax is over the whole vocabulary, including tokens that sampling excludes (top_k, placeholders),
    as in TRL.
    """
    own_forward = getattr(model, OWN_FORWARD, None)
    if own_forward is not None:
        values: Tensor = own_forward(row, temperature)
        return values
    return log_probabilities_by(model, row, temperature)


def log_probabilities_by(
    model: Qwen2VLForConditionalGeneration, row: PackedRow, temperature: float
) -> Tensor:
    """The same, by a model that has its weights at hand."""
    hidden = predictor_states(model, row)  # [completion tokens, hidden]
    values: Tensor = _TokenLogProbabilities.apply(hidden, model.lm_head.weight, row.targets, temperature)
    return pad_rows(values, row.completion_lengths)


class _TokenLogProbabilities(torch.autograd.Function):
    """log softmax(W h / T)[target] for hidden states h [tokens, hidden] and the head's weights W.

    Neither logits nor probabilities are kept: the backward pass recomputes a chunk's logits, turns them
    into their gradient (onehot - p) g / T in place, and multiplies. This costs one more product, and memory
    does not grow with the number of tokens.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, temperature: float) -> Tensor:
        dtype = _product_dtype(hidden)
        states, head = hidden.to(dtype), weight.to(dtype)
        values = hidden.new_empty(len(hidden), dtype=torch.float32)
        with torch.autocast(hidden.device.type, enabled=False):
            for chunk in _chunks(len(hidden), len(weight), hidden.device):
                logits = _logits(states[chunk], head, temperature)
                values[chunk] = logits.log_softmax(dim=1).gather(1, targets[chunk, None]).squeeze(1)
        ctx.save_for_backward(hidden, weight, targets)
        ctx.dtype, ctx.temperature = dtype, temperature
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        hidden, weight, targets = ctx.saved_tensors
        states, head = hidden.to(ctx.dtype), weight.to(ctx.dtype)
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for chunk in _chunks(len(hidden), len(weight), hidden.device):
            logits = _logits(states[chunk], head, ctx.temperature)
            scaled = gradient[chunk, None] / ctx.temperature  # [chunk, 1]
            logits_gradient = logits.softmax(dim=1).mul_(-scaled)  # [chunk, vocabulary]
            logits_gradient.scatter_add_(1, targets[chunk, None], scaled)
            logits_gradient = logits_gradient.to(ctx.dtype)
            hidden_gradient[chunk] = logits_gradient @ head
            if weight_gradient is not None:
                if ctx.dtype == weight.dtype:
                    weight_gradient.addmm_(logits_gradient.T, states[chunk])
                else:
                    weight_gradient += logits_gradient.T @ states[chunk]
        return hidden_gradient, weight_gradient, None, None


def _product_dtype(hidden: Tensor) -> torch.dtype:
    """The dtype that autocast would give the head's product."""
    device = hidden.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else hidden.dtype


def _chunks(tokens: int, vocabulary: int, device: torch.device) -> list[slice]:
    size = max(1, LOGITS_AT_A_TIME[device.type] // vocabulary)
    return [slice(start, start + size) for start in range(0, tokens, size)]


def _logits(states: Tensor, head: Tensor, temperature: float) -> Tensor:
    """[chunk, vocabulary], fp32."""
    logits = (states @ head.T).float()
    return logits if temperature == 1.0 else logits.div_(temperature)
