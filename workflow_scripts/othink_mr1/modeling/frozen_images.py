"""Images with a frozen vision tower: each is encoded once, for rollouts, policy and reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import image_features
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.prompts import Prompt


class FrozenImages:
    """Encodes images and remembers their features until its memory is full.

    Nothing is evicted: epochs visit a set in different orders, so evicting the oldest could evict what comes
    next. Images that no longer fit are encoded each time.
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
        device = self._model.device
        for example, prompt in zip(examples, prompts, strict=True):
            if example in self._features or example in made:
                continue
            # One by one: rounding depends on what is encoded together, which differs after a restart.
            with autocast(self._precision, device):
                pixels, grid = prompt.pixel_values.to(device), prompt.image_grid.to(device)
                (features,) = image_features(self._model, pixels, grid)
            made[example] = features.cpu()
        for example, own in made.items():
            size = own.numel() * own.element_size()
            if self._bytes + size <= self._limit:
                self._features[example] = own.clone()
                self._bytes += size
        return [
            replace(prompt, image_features=made.get(example, self._features.get(example)))
            for example, prompt in zip(examples, prompts, strict=True)
        ]
