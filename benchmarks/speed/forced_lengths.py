"""Completions of given lengths: every system generates the same number of tokens, whatever it samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

SHORTEST = 4  # tokens


def draw_lengths(count: int, mean: int, longest: int, seed: int) -> list[int]:
    """Lengths with exactly this mean and this maximum, in tokens.

    Drawn from a beta distribution over (0, longest), then moved by single tokens until the mean is right.
    """
    if mean == longest:
        return [longest] * count
    rng = np.random.default_rng(seed)
    share = mean / longest
    lengths = np.clip(np.round(rng.beta(2 * share, 2 * (1 - share), count) * longest), SHORTEST, longest)
    top = int(lengths.argmax())
    lengths[top] = longest
    others = [index for index in range(count) if index != top]
    while (excess := int(lengths.sum()) - mean * count) != 0:
        index = rng.choice(others)
        if SHORTEST <= lengths[index] - np.sign(excess) < longest:
            lengths[index] -= np.sign(excess)
    return [int(length) for length in lengths]


class ForcedLengths(LogitsProcessor):
    """For transformers' `generate`: before its length a completion cannot stop, then it must.

    No special token but the stop token is ever generated: a vision placeholder would demand an image.
    For one call of `generate` only, since it takes the length of the prompt from the first token.
    """

    def __init__(self, lengths: Sequence[int], stop_token: int, special_tokens: Sequence[int]) -> None:
        """lengths: of each sequence of the batch, the stop token included."""
        self._lengths = torch.tensor(lengths)
        self._stop_token = stop_token
        self._special_tokens = torch.tensor(special_tokens)
        self._prompt_tokens = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """input_ids: [sequences, tokens so far]; scores: [sequences, vocabulary]."""
        if self._prompt_tokens == 0:
            self._prompt_tokens = input_ids.shape[1]
        generated = input_ids.shape[1] - self._prompt_tokens
        scores.index_fill_(1, self._special_tokens, -torch.inf)
        ends = self._lengths <= generated + 1  # [sequences]
        scores[ends] = -torch.inf
        scores[ends, self._stop_token] = 0.0
        return scores
