"""The counted floor: the floating-point operations of a step that computes nothing twice and nothing masked.

Counted are matrix products, a multiplication and an addition as two operations; nothing else. Each image goes
through the vision tower once and each prompt through the layers once per group; every completion token goes
through the layers and the head once. The head is not needed on prompt tokens. Attention counts the scores
and the weighted sums of the keys that a token may see, no masked ones.

A rollout is one forward, the reference one, training three (the backward is two): GRPO five forwards in all,
SFT three, evaluation one.

It is a yardstick of work, not a limit of time. It leaves out memory traffic, softmax, norms and the
optimiser, and a rollout's tokens cannot be computed all at once. A careful implementation can stay a little
below it: in the last layer prompt tokens are needed only as keys and values, a completion's last token not
at all, and no gradient is needed of the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.speed.shapes import tokens_of_image
from benchmarks.speed.workload import EvaluationWorkload, GRPOWorkload, SupervisedWorkload

GRPO_FORWARDS = 1 + 1 + 3
SUPERVISED_FORWARDS = 3
PATCHES_PER_IMAGE_TOKEN = 4


@dataclass(frozen=True)
class Sizes:
    """What the count needs of a Qwen2-VL's config."""

    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    feed_forward: int
    vocabulary: int
    vision_layers: int
    vision_hidden: int
    vision_feed_forward: int
    patch_values: int  # numbers in one patch: 3 colours x 2 frames x 14 x 14

    @classmethod
    def of(cls, config: Any) -> Sizes:
        """Read them from a Qwen2VLConfig."""
        text, vision = config.text_config, config.vision_config
        return cls(
            hidden=text.hidden_size,
            layers=text.num_hidden_layers,
            heads=text.num_attention_heads,
            key_value_heads=text.num_key_value_heads,
            feed_forward=text.intermediate_size,
            vocabulary=text.vocab_size,
            vision_layers=vision.depth,
            vision_hidden=vision.embed_dim,
            vision_feed_forward=int(vision.embed_dim * vision.mlp_ratio),
            patch_values=vision.in_channels * vision.temporal_patch_size * vision.patch_size**2,
        )


def product(rows: int, inner: int, columns: int) -> int:
    """Operations of a matrix product [rows, inner] x [inner, columns]."""
    return 2 * rows * inner * columns


def layer_products(sizes: Sizes, tokens: int) -> int:
    """All language model layers but attention's own products: query, key, value, output, feed-forward."""
    key_value = sizes.hidden // sizes.heads * sizes.key_value_heads
    attention = 2 * product(tokens, sizes.hidden, sizes.hidden) + 2 * product(tokens, sizes.hidden, key_value)
    feed_forward = 3 * product(tokens, sizes.hidden, sizes.feed_forward)
    return sizes.layers * (attention + feed_forward)


def attention_products(sizes: Sizes, before: int, tokens: int) -> int:
    """Scores and weighted sums of `tokens` that see `before` others, themselves and those between."""
    seen = tokens * before + tokens * (tokens + 1) // 2
    return sizes.layers * 2 * 2 * seen * sizes.hidden


def head_products(sizes: Sizes, tokens: int) -> int:
    """Logits of so many tokens."""
    return product(tokens, sizes.hidden, sizes.vocabulary)


def vision_linear_products(sizes: Sizes, image_tokens: int) -> int:
    """The vision tower on one image but attention's own products: patches, layers, merging."""
    patches, width = PATCHES_PER_IMAGE_TOKEN * image_tokens, sizes.vision_hidden
    embedding = product(patches, sizes.patch_values, width)
    layer = product(patches, width, 4 * width) + 2 * product(patches, width, sizes.vision_feed_forward)
    merged = PATCHES_PER_IMAGE_TOKEN * width
    merging = product(image_tokens, merged, merged) + product(image_tokens, merged, sizes.hidden)
    return embedding + sizes.vision_layers * layer + merging


def vision_products(sizes: Sizes, image_tokens: int) -> int:
    """The vision tower on one image; its patches see all of the image."""
    patches = PATCHES_PER_IMAGE_TOKEN * image_tokens
    attention = sizes.vision_layers * 2 * 2 * patches**2 * sizes.vision_hidden
    return vision_linear_products(sizes, image_tokens) + attention


def group_products(sizes: Sizes, image_tokens: int, prompt_tokens: int, completions: Sequence[int]) -> int:
    """One forward of a prompt and its completions, the prompt computed once. completions: their lengths."""
    total = sum(completions)
    return (
        vision_products(sizes, image_tokens)
        + layer_products(sizes, prompt_tokens + total)
        + attention_products(sizes, 0, prompt_tokens)
        + sum(attention_products(sizes, prompt_tokens, length) for length in completions)
        + head_products(sizes, total)
    )


def grpo_floor(sizes: Sizes, workload: GRPOWorkload) -> int:
    """Operations of one GRPO step."""
    shape = workload.shape
    forward = sum(
        group_products(
            sizes, shape.image_tokens, shape.prompt_tokens, workload.lengths[start : start + shape.group]
        )
        for start in range(0, len(workload.lengths), shape.group)
    )
    return GRPO_FORWARDS * forward


def evaluation_floor(sizes: Sizes, workload: EvaluationWorkload) -> int:
    """Operations of answering all questions."""
    image_tokens = tokens_of_image(workload.shape.image_side)
    return sum(
        group_products(sizes, image_tokens, prompt, [answer])
        for prompt, answer in zip(workload.prompt_tokens, workload.lengths, strict=True)
    )


def supervised_floor(sizes: Sizes, workload: SupervisedWorkload) -> int:
    """Operations of one SFT step."""
    image_tokens = tokens_of_image(workload.shape.image_side)
    return SUPERVISED_FORWARDS * sum(
        group_products(sizes, image_tokens, prompt, [target])
        for prompt, target in zip(workload.prompt_tokens, workload.target_tokens, strict=True)
    )
