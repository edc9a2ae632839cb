"""How many questions are decoded at a time: as many as fit in the GPU's free memory.

A decoding step takes about the same time for 32 sequences as for 256. In fp32 answers do not depend on the
number (modeling/settled_greedy.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.data.examples import Example
from othink_mr1.errors import UserError
from othink_mr1.modeling.fixed_batch import PROMPT_ROOM_STEP
from othink_mr1.modeling.prefill import PREFILL_TOKENS
from othink_mr1.modeling.prompts import PromptMaker, fill_template

ON_CPU = 64
LEAST, MOST, MULTIPLE = 8, 512, 8

# Of the memory that is left for sequences; the rest is for fragmentation and what is not counted here.
SAFE_SHARE = 0.85
FP32 = 4  # bytes: of logits, scores, and keys and values when prompts are computed (modeling/prefill.py)
LOGITS = 5  # copies of a sequence's logits: in the products' precision, fp32, and for choosing
SCORES = 4  # copies of a sequence's attention scores in one layer
# In fp32, room for own tokens grows by copying, keys and values one after the other
# (modeling/shared_prompt_cache.py). In bf16 it is fixed (modeling/fixed_cache.py).
OWN_COPIES = 1.25
# fp32 numbers per patch and per token while prompts are computed, in multiples of the hidden size: residual,
# norm, queries, keys, values, and the temporaries of their rotation.
ACTIVATIONS = 15
FEED_FORWARD = 3  # inputs, gates and products, each of the feed-forward size


@dataclass(frozen=True)
class DecodingSizes:
    """The model's sizes, as far as decoding's memory depends on them."""

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    kv_heads: int
    vocabulary: int
    vision_hidden: int
    vision_feed_forward: int
    patch_values: int
    patches_of_a_token: int
    product_bytes: int  # of a number in the products' precision

    @property
    def token_states(self) -> int:
        """Numbers in the keys and values of one token, in all layers."""
        return self.layers * 2 * self.kv_heads * (self.hidden // self.heads)

    @property
    def step_weights_bytes(self) -> int:
        """TokenStep's copy of the weights."""
        kv = self.kv_heads * (self.hidden // self.heads)
        attention = self.hidden * (2 * self.hidden + 2 * kv)
        layer = attention + 3 * self.hidden * self.feed_forward
        return self.product_bytes * (self.layers * layer + self.vocabulary * self.hidden)

    @property
    def prefill_bytes(self) -> int:
        """Activations of PREFILL_TOKENS tokens with their pictures: first those of the vision tower alone."""
        patch = self.patch_values + max(
            ACTIVATIONS * self.vision_hidden, FEED_FORWARD * self.vision_feed_forward
        )
        token = max(ACTIVATIONS * self.hidden, FEED_FORWARD * self.feed_forward)
        return PREFILL_TOKENS * max(
            FP32 * self.patches_of_a_token * patch, FP32 * (token + self.token_states)
        )

    def sequence_bytes(self, prompt_tokens: int, new_tokens: int) -> int:
        """One sequence at its longest."""
        if self.product_bytes == FP32:
            cached = prompt_tokens + OWN_COPIES * new_tokens
        else:
            cached = -(-prompt_tokens // PROMPT_ROOM_STEP) * PROMPT_ROOM_STEP + new_tokens
        # Beside the cache, a prompt's states are kept as they were computed until they are put there.
        states = round(self.token_states * (self.product_bytes * cached + FP32 * prompt_tokens))
        scores = SCORES * FP32 * self.heads * (prompt_tokens + new_tokens)
        return states + scores + LOGITS * FP32 * self.vocabulary


def fitting_batch(free_bytes: int, sizes: DecodingSizes, prompt_tokens: int, new_tokens: int) -> int:
    """The sequences that fit in the memory that is free beside the model; a multiple of 8, from 8 to 512.

    prompt_tokens: of the longest prompt. UserError if fewer than 8 fit.
    """
    fixed = sizes.step_weights_bytes + sizes.prefill_bytes
    sequence = sizes.sequence_bytes(prompt_tokens, new_tokens)
    fitting = int((free_bytes - fixed) * SAFE_SHARE) // sequence
    if fitting < LEAST:
        needed = fixed + LEAST * sequence / SAFE_SHARE
        raise UserError(
            f"the GPU has {free_bytes / 1e9:.1f} GB free beside the model, and {LEAST} answers of up to "
            f"{new_tokens} tokens need {needed / 1e9:.1f} GB; use a GPU with more memory, or end what else "
            "uses this one"
        )
    return min(fitting // MULTIPLE * MULTIPLE, MOST)


def decoding_sizes(model: Qwen2VLForConditionalGeneration, precision: str) -> DecodingSizes:
    """Read from the model's config."""
    text: Any = model.config.text_config
    vision: Any = model.config.vision_config
    return DecodingSizes(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        feed_forward=text.intermediate_size,
        heads=text.num_attention_heads,
        kv_heads=text.num_key_value_heads,
        vocabulary=text.vocab_size,
        vision_hidden=vision.embed_dim,
        vision_feed_forward=int(vision.embed_dim * vision.mlp_ratio),
        patch_values=vision.in_channels * vision.temporal_patch_size * vision.patch_size**2,
        patches_of_a_token=vision.spatial_merge_size**2,
        product_bytes=2 if precision == "bf16" else FP32,
    )


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
    return fitting_batch(free, decoding_sizes(model, precision), longest, new_tokens)
