"""The arithmetic that a step cannot do without, to compare its time with the card's peak."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import Linear
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import Group


def forward_flops(model: Qwen2VLForConditionalGeneration, groups: Sequence[Group]) -> float:
    """Of one pass over groups: each picture and prompt once, the head for completions alone.

    2 per weight and token (or patch, in the vision tower); attention's own products are left out (2 to 3 %).
    """
    completion_tokens = sum(group.tokens - len(group.prompt) for group in groups)
    tokens = sum(group.tokens for group in groups)
    patches = sum(len(group.prompt.pixel_values) for group in groups)
    text, vision = (
        sum(part.weight.numel() for part in tower.modules() if isinstance(part, Linear))
        for tower in (model.model.language_model, model.model.visual)
    )
    head = model.lm_head.weight.numel()
    return 2.0 * (text * tokens + head * completion_tokens + vision * patches)
