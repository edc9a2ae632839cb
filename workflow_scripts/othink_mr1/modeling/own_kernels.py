"""Replaces parts of a loaded model's computation with our own. Weights and their names do not change."""

from __future__ import annotations

from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_attention import use_packed_attention
from othink_mr1.modeling.patch_embedding import embed_patches_by_product


def use_own_kernels(model: Qwen2VLForConditionalGeneration) -> None:
    """Packed attention in the language model, the patch embedding as a product."""
    use_packed_attention(model)
    embed_patches_by_product(model)
