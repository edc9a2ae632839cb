"""Images under a frozen vision tower: each is encoded once, for rollouts, policy and reference alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import image_features
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.prompts import Prompt

# A bound on memory: those of 32 pictures of 512 image tokens.
PATCHES_AT_A_TIME = 2**16


class FrozenImages:
    """Encodes images and remembers their features until its memory is full.

    Epochs visit a set in other orders, so forgetting the oldest would forget just what comes next; what does
    not fit any more is encoded anew each time.
    """

    def __init__(self, model: Qwen2VLForConditionalGeneration, precision: str, limit_bytes: int) -> None:
        self._model, self._precision = model, precision
        self._limit = limit_bytes
        self._bytes = 0
        self._features: dict[int, Tensor] = {}  # example -> [image tokens, hidden], on the CPU

    @torch.no_grad()
    def add_features(self, prompts: Sequence[Prompt], examples: Sequence[int]) -> list[Prompt]:
        """The prompts with their images' features; examples: number of each prompt's example."""
        made: dict[int, Tensor] = {}
        new = dict(zip(examples, prompts, strict=True))
        new = {example: prompt for example, prompt in new.items() if example not in self._features}
        while new:
            part: dict[int, Prompt] = {}
            while new and (not part or _patches(part.values()) < PATCHES_AT_A_TIME):
                example, prompt = new.popitem()
                part[example] = prompt
            device = self._model.device
            grids = torch.cat([prompt.image_grid for prompt in part.values()])
            pixels = torch.cat([prompt.pixel_values for prompt in part.values()])
            with autocast(self._precision, device):
                features = image_features(self._model, pixels.to(device), grids.to(device))
            made |= {example: own.cpu() for example, own in zip(part, features, strict=True)}
        for example, own in made.items():
            size = own.numel() * own.element_size()
            if self._bytes + size <= self._limit:
                self._features[example] = own.clone()
                self._bytes += size
        return [
            replace(prompt, image_features=made.get(example, self._features.get(example)))
            for example, prompt in zip(examples, prompts, strict=True)
        ]


def _patches(prompts: Iterable[Prompt]) -> int:
    return sum(len(prompt.pixel_values) for prompt in prompts)
