"""Computing prompts before their completions are decoded."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import Group, fill_rows, pack, predictor_states
from othink_mr1.modeling.prompts import Prompt

# Prompt tokens, with their pictures, that are computed at a time: a bound on memory.
PREFILL_TOKENS = 16384


class _Recorder:
    """Replaces transformers' cache in the attention layers and records their keys and values."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []  # per layer [kv heads, tokens, d], fp32
        self.values: list[Tensor] = []

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: object) -> tuple[Tensor, Tensor]:
        """keys, values: [1, kv heads, tokens, d], returned unchanged."""
        self.keys.append(keys[0].float())
        self.values.append(values[0].float())
        return keys, values


def prefill(
    model: Qwen2VLForConditionalGeneration, prompts: Sequence[Prompt]
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Compute prompts in packed rows.

    Returns the logits of each prompt's first completion token, [prompts, vocabulary] in fp32, and per prompt
    its keys and values, [layers, kv heads, tokens, d].
    """
    logits, keys, values = [], [], []
    for groups in fill_rows([Group(prompt, ()) for prompt in prompts], PREFILL_TOKENS):
        row = pack(groups, model.device)
        recorder = _Recorder()
        logits.append(model.lm_head(predictor_states(model, row, recorder)).float())
        lengths = [group.tokens for group in groups]
        keys += torch.stack(recorder.keys).split(lengths, dim=2)
        values += torch.stack(recorder.values).split(lengths, dim=2)
    return torch.cat(logits), keys, values
