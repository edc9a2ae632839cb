"""How many questions are decoded at a time: as many as fit in the GPU's free memory.

A decoding step takes about the same time for 32 sequences as for 256. In fp32 answers do not depend on the
number (modeling/settled_greedy.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.cost.memory import FP32, copy_bytes, decoding_bytes, token_bytes
from othink_mr1.cost.model_shape import (
    PATCH_VALUES,
    PATCHES_PER_IMAGE_TOKEN,
    ModelShape,
    shape_of_values,
)
from othink_mr1.data.examples import Example
from othink_mr1.errors import UserError
from othink_mr1.modeling.prefill import PREFILL_TOKENS
from othink_mr1.modeling.prompts import PromptMaker, fill_template

ON_CPU = 64
LEAST, MOST, MULTIPLE = 8, 512, 8

# Of the memory that is left for sequences; the rest is for fragmentation and what is not counted here.
SAFE_SHARE = 0.85
LOGITS = 5  # copies of a sequence's logits: in the products' precision, fp32, and for choosing
# fp32 numbers per patch and per token while prompts are computed, in multiples of the hidden size: residual,
# norm, queries, keys, values, and the temporaries of their rotation.
ACTIVATIONS = 15
FEED_FORWARD = 3  # inputs, gates and products, each of the feed-forward size


def prefill_bytes(shape: ModelShape) -> float:
    """Activations of PREFILL_TOKENS tokens with their pictures: first those of the vision tower alone."""
    patch = PATCH_VALUES + max(ACTIVATIONS * shape.vision_hidden, FEED_FORWARD * shape.vision_feed_forward)
    token = max(ACTIVATIONS * shape.hidden, FEED_FORWARD * shape.feed_forward)
    of_token = FP32 * token + token_bytes(shape, "fp32")
    return PREFILL_TOKENS * max(FP32 * PATCHES_PER_IMAGE_TOKEN * patch, of_token)


def fitting_batch(
    free_bytes: int, shape: ModelShape, precision: str, prompt_tokens: int, new_tokens: int
) -> int:
    """The sequences that fit in the memory that is free beside the model; a multiple of 8, from 8 to 512.

    prompt_tokens: of the longest prompt. UserError if fewer than 8 fit.
    """
    copy = copy_bytes(shape, precision)
    fixed = copy + prefill_bytes(shape)
    cached = decoding_bytes(shape, precision, 1, prompt_tokens, 1, new_tokens) - copy
    sequence = cached + LOGITS * FP32 * shape.vocabulary
    fitting = int((free_bytes - fixed) * SAFE_SHARE / sequence)
    if fitting < LEAST:
        needed = fixed + LEAST * sequence / SAFE_SHARE
        raise UserError(
            f"the GPU has {free_bytes / 1e9:.1f} GB free beside the model, and {LEAST} answers of up to "
            f"{new_tokens} tokens need {needed / 1e9:.1f} GB; use a GPU with more memory, or end what else "
            "uses this one"
        )
    return min(fitting // MULTIPLE * MULTIPLE, MOST)


def batch_size(
    model: Qwen2VLForConditionalGeneration,
    maker: PromptMaker,
    examples: Sequence[Example],
    template: str,
    new_tokens: int,
    precision: str,
) -> int:
    """How many of the examples are decoded at a time on the model's device, with its memory as it is now."""
    if model.device.type == "cpu" or not examples:
        return ON_CPU
    longest = max(
        maker.tokens(example.image, fill_template(template, example.question)) for example in examples
    )
    free, _ = torch.cuda.mem_get_info(model.device)
    return fitting_batch(free, shape_of_values(model.config.to_dict()), precision, longest, new_tokens)
