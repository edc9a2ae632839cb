"""The repetition penalty of a checkpoint's generation_config, as transformers applies it to greedy decoding.

Logits of tokens that occur in the prompt or in the answer so far are divided by the penalty if positive, and
multiplied by it if negative (Keskar et al. 2019, arXiv 1909.05858). Qwen2-VL-2B-Instruct has 1,
that is, no penalty; the 7B model and Qwen2.5-VL have 1.05.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.token_choice import ChooseToken


class RepetitionPenalty:
    """Penalises the tokens that each sequence has so far; one completion per prompt."""

    def __init__(self, model: Qwen2VLForConditionalGeneration, prompts: Sequence[Prompt]) -> None:
        self._penalty = model.generation_config.repetition_penalty or 1.0
        self._prompts = prompts
        shape = (len(prompts), model.config.text_config.vocab_size if self.acts else 0)
        self._seen = torch.zeros(shape, dtype=torch.bool, device=model.device)

    @property
    def acts(self) -> bool:
        """Whether the checkpoint has a penalty."""
        return self._penalty != 1.0

    def of(self, logits: Tensor, sequences: Tensor) -> Tensor:
        """logits: [sequences, vocabulary] -> the same, penalised; unchanged if there is no penalty."""
        if not self.acts:
            return logits
        penalised = torch.where(logits < 0, logits * self._penalty, logits / self._penalty)
        return torch.where(self._seen[sequences], penalised, logits)

    def applied(self, choose: ChooseToken) -> ChooseToken:
        """`choose` on penalised logits."""

        def chosen(logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
            for sequence in sequences[steps == 0].tolist():
                self._seen[sequence, self._prompts[sequence].token_ids.to(self._seen.device)] = True
            tokens = choose(self.of(logits, sequences), sequences, steps)
            self._seen[sequences, tokens] = True
            return tokens

        return chosen
