"""Sampling the next token, reproducibly for each completion whatever else is in the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def uniform_numbers(
    seed: int, step: int, prompts: int, completions_per_prompt: int, max_new_tokens: int
) -> Tensor:
    """One random number in [0, 1) for every token of a rollout: [prompts x completions, tokens], fp64.

    Each completion has a stream of its own, seeded by (seed, step, prompt, completion), so what it draws
    does not depend on the batch or on when others end.
    """
    streams = [
        np.random.default_rng([seed, step, prompt, completion]).random(max_new_tokens)
        for prompt in range(prompts)
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

        vocabulary: rows of the logits; those beyond tokenizer_length stand for no token and cannot be sampled
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
        # Summed up in fp64, since the sum over a large vocabulary must not lose its small terms.
        cumulative = logits.softmax(dim=1).cumsum(dim=1, dtype=torch.float64)  # [sequences, vocabulary]
        threshold = self._uniform[sequences, steps, None] * cumulative[:, -1:]
        # The first token whose cumulative probability exceeds the number; tokens of probability 0 never do.
        chosen = torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
        # Behind the last one if the logits are nan: any token, since the loss will say so and end the run.
        return chosen.clamp(max=logits.shape[1] - 1)


def tokens_never_sampled(special_tokens: Sequence[int], stop_tokens: Sequence[int]) -> list[int]:
    """All special tokens but those that end a completion.

    A sampled vision placeholder would demand an image that is not there; the others have no place in text.
    """
    return sorted(set(special_tokens) - set(stop_tokens))
