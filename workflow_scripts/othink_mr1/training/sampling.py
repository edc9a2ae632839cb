"""Sampling the next token, reproducible for each completion regardless of the rest of the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def uniform_numbers(
    seed: int, step: int, prompts: int, completions_per_prompt: int, max_new_tokens: int, before: int = 0
) -> Tensor:
    """One random number in [0, 1) for every token of a rollout: [prompts x completions, tokens], fp64.

    Each completion has its own stream, seeded by (seed, step, prompt, completion), so its numbers do not
    depend on the batch or on when others end. before: the step's prompts before these.
    """
    streams = [
        np.random.default_rng([seed, step, prompt, completion]).random(max_new_tokens)
        for prompt in range(before, before + prompts)
        for completion in range(completions_per_prompt)
    ]
    return torch.from_numpy(np.stack(streams))


class Sampler:
    """Chooses tokens for `decode` by inverting the cumulative distribution at the given numbers."""

    def __init__(
        self,
        uniform: Tensor,
        temperature: float,
        top_k: int,
        never: Sequence[int],
        tokenizer_length: int,
        vocabulary: int,
    ) -> None:
        """uniform: [sequences, tokens]; top_k 0: all tokens; never: token ids that cannot be sampled.

        vocabulary: number of logits; those beyond tokenizer_length belong to no token and cannot be sampled
        either.
        """
        self._uniform = uniform
        self._temperature = temperature
        self._top_k = top_k
        self._mask = torch.zeros(vocabulary, device=uniform.device)  # -inf: never
        self._mask[list(never)] = -torch.inf
        self._mask[tokenizer_length:] = -torch.inf

    def __call__(self, logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
        """logits: [sequences, vocabulary] -> [sequences]."""
        logits = torch.add(self._mask, logits, alpha=1 / self._temperature)
        if 0 < self._top_k < logits.shape[1]:
            least = logits.topk(self._top_k, dim=1).values[:, -1:]
            logits = logits.masked_fill(logits < least, -torch.inf)
        # Summed in fp64, since the sum over a large vocabulary must not lose small terms.
        cumulative = logits.softmax(dim=1).cumsum(dim=1, dtype=torch.float64)  # [sequences, vocabulary]
        threshold = self._uniform[sequences, steps, None] * cumulative[:, -1:]
        # The first token whose cumulative probability exceeds the number; never a token of probability 0.
        chosen = torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
        # With nan logits the index is past the end: any token will do, since the loss will stop the run.
        return chosen.clamp(max=logits.shape[1] - 1)


def tokens_never_sampled(special_tokens: Sequence[int], stop_tokens: Sequence[int]) -> list[int]:
    """All special tokens except those that end a completion.

    A sampled vision placeholder would require an image that does not exist; the others do not belong in text.
    """
    return sorted(set(special_tokens) - set(stop_tokens))
