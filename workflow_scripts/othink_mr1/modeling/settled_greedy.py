"""Greedy decoding whose tokens do not depend on what else is in the batch.

Matrix products round differently with different rows, so a sequence's logits vary by about 1e-6 of their
scale with its neighbours in the batch, which are different after a restart. If the two most likely tokens are
so close that this could swap them, the sequence is computed again on its own, and that result decides. Only
for fp32: rounding in bf16 is a thousand times coarser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import Group, pack, predictor_states
from othink_mr1.modeling.prompts import Prompt

# Difference of two logits, as a share of the largest absolute logit, with which rounding grows: fp32 logits
# differ between batches by at most 2.3e-6 of it, in the miniature as with new weights; with large weights by
# more (docs/lab-notes.md).
NEAR = 1e-4
PROMPTS_KEPT = 16  # of some megabytes each, which are their pictures


class SettledGreedy:
    """Chooses tokens for `decode`, with one completion per prompt."""

    def __init__(
        self,
        model: Qwen2VLForConditionalGeneration,
        prompts: Sequence[Prompt],
        max_new_tokens: int,
        adjust: Callable[[Tensor, Tensor], Tensor] = lambda logits, sequences: logits,
    ) -> None:
        """adjust: (logits, sequences) -> logits, the change made to the logits before __call__ gets them."""
        self._model, self._adjust = model, adjust
        # Near ties come in rows, and prompts may be made when they are asked for.
        self._prompt = lru_cache(PROMPTS_KEPT)(prompts.__getitem__)
        self._tokens = torch.zeros(len(prompts), max_new_tokens, dtype=torch.long, device=model.device)

    def __call__(self, logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
        """logits: [sequences, vocabulary] -> [sequences]."""
        best = logits.topk(2, dim=-1)
        chosen = best.indices[:, 0].clone()
        largest = logits.nan_to_num(0.0, 0.0, 0.0).abs().amax(-1)  # a token that must not be chosen has -inf
        near = best.values[:, 0] - best.values[:, 1] < NEAR * largest
        for row in near.nonzero().flatten().tolist():
            chosen[row] = self._alone(int(sequences[row]), int(steps[row]))
        self._tokens[sequences, steps] = chosen
        return chosen

    def _alone(self, sequence: int, step: int) -> Tensor:
        """The most likely token after the sequence's first `step` tokens, computed without neighbours."""
        before = self._tokens[sequence, :step].tolist()
        # The final 0 is a placeholder for the wanted token: a row gives the state before each token.
        row = pack([Group(self._prompt(sequence), [[*before, 0]])], self._model.device)
        state = predictor_states(self._model, row)[-1:]
        logits = self._model.lm_head(state).float()
        return self._adjust(logits, torch.tensor([sequence], device=logits.device)).argmax(-1)[0]
