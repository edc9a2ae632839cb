"""The reference of GRPO's KL penalty: a frozen copy of the model before training.

In bf16, autocast would cast its weights at every call, since it keeps casts only of weights that are trained.
Here they are cast once, which also halves most of the copy's memory. Every result is the same to the bit.
"""

from __future__ import annotations

import copy

import torch
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.config.methods import GRPO


def make_reference(
    model: Qwen2VLForConditionalGeneration, settings: GRPO
) -> Qwen2VLForConditionalGeneration | None:
    """The reference for a training of the model, or None if it needs none."""
    if not settings.has_reference:
        return None
    # A frozen vision tower is shared with the reference. (deepcopy returns modules in `memo` uncopied.)
    shared = {} if settings.train_vision_tower else {id(model.model.visual): model.model.visual}
    reference = copy.deepcopy(model, shared).requires_grad_(False).eval()
    if settings.precision == "bf16":
        kept = set() if settings.train_vision_tower else set(model.model.visual.modules())
        if reference.lm_head.weight is reference.get_input_embeddings().weight:
            kept.add(reference.lm_head)  # autocast casts no embeddings
        _cast_products(reference, kept)
    return reference


def _cast_products(model: torch.nn.Module, kept: set[torch.nn.Module]) -> None:
    """Cast the weights of all products to bf16, as autocast would, except in the kept modules."""
    for module in model.modules():
        # The convolution is the patch embedding's, which is computed as a product.
        if isinstance(module, torch.nn.Linear | torch.nn.Conv3d) and module not in kept:
            module.to(torch.bfloat16)
