"""Greedy decoding whose tokens do not depend on what else is in the batch.

Products are rounded in another way when they have other rows, so a sequence's logits differ by some 1e-6 of
their scale with its neighbours: with those that happen to be left after a restart, too. Where the two
likeliest tokens are so close that this could turn them around, the sequence is computed once more on its own,
and that decides. For fp32: in bf16 rounding is a thousand times coarser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import Group, pack, predictor_states
from othink_mr1.modeling.prompts import Prompt

# Difference of logits. One in 4,000 of the miniature's tokens has a rival that close; its fp32 logits, up to
# 13, differ by 5e-6 at most between batches.
NEAR = 1e-3


class SettledGreedy:
    """Chooses tokens for `decode`, with one completion per prompt."""

    def __init__(
        self,
        model: Qwen2VLForConditionalGeneration,
        prompts: Sequence[Prompt],
        max_new_tokens: int,
        adjust: Callable[[Tensor, Tensor], Tensor] = lambda logits, sequences: logits,
    ) -> None:
        """adjust: what was done to the logits that it is called with, likewise [sequences, vocabulary]."""
        self._model, self._prompts, self._adjust = model, prompts, adjust
        self._tokens = torch.zeros(len(prompts), max_new_tokens, dtype=torch.long, device=model.device)

    def __call__(self, logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
        """logits: [sequences, vocabulary] -> [sequences]."""
        best = logits.topk(2, dim=-1)
        chosen = best.indices[:, 0].clone()
        near = best.values[:, 0] - best.values[:, 1] < NEAR
        for row in near.nonzero().flatten().tolist():
            chosen[row] = self._alone(int(sequences[row]), int(steps[row]))
        self._tokens[sequences, steps] = chosen
        return chosen

    def _alone(self, sequence: int, step: int) -> Tensor:
        """The likeliest token after the sequence's first `step` ones, computed without neighbours."""
        before = self._tokens[sequence, :step].tolist()
        # The last token only stands for the one that is asked for: a row's states are those before each.
        row = pack([Group(self._prompts[sequence], [[*before, 0]])], self._model.device)
        state = predictor_states(self._model, row)[-1:]
        logits = self._model.lm_head(state).float()
        return self._adjust(logits, torch.tensor([sequence], device=logits.device)).argmax(-1)[0]
