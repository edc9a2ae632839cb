"""GPU memory of a training and of an evaluation, in bytes. Estimated: no GPU has confirmed it.

A training's memory is the larger of two peaks. During an update: weights, gradients, AdamW's moments, the
reference, what autograd saves of one packed row, and the head's or one layer's working memory. During a
rollout: no gradients, but decoding's copy of the weights and its cache. Left out: CUDA's own memory (about a
gigabyte) and fragmentation. In several processes it is the memory of each; sharding: training/sharding.py.

What autograd saves was read from torch's saved_tensors_hooks on the CPU; tests/unit/cost/test_memory.py
compares each part. On a GPU, norms of the vision tower and attention save a little more or less.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from othink_mr1.cost.flops import Lengths
from othink_mr1.cost.model_shape import PATCH_VALUES, PATCHES_PER_IMAGE_TOKEN, ModelShape

FP32, BF16 = 4, 2  # bytes of a number
# As in training/log_probabilities.py and modeling/fixed_batch.py, which import torch.
LOGITS_AT_A_TIME = 2**27
PROMPT_ROOM_STEP = 256


@dataclass(frozen=True)
class Row:
    """What one packed row holds. predicted: tokens whose probability is computed."""

    tokens: float
    predicted: float
    patches: float  # of pictures that are encoded; 0 if the vision tower is frozen


def part_of_group(lengths: Lengths, row_tokens: int) -> Lengths:
    """A group; of one longer than a row, the prompt and the completions that fit, at least one."""
    if lengths.tokens <= row_tokens or not lengths.completions:
        return lengths
    fit = int((row_tokens - lengths.prompt_tokens) / lengths.completion_tokens)
    return replace(lengths, completions=max(1, fit))


def fullest_row(lengths: Lengths, groups: int, row_tokens: int, encode_images: bool) -> Row:
    """A row filled up to row_tokens, or with all of a step's groups, if these have fewer tokens."""
    lengths = part_of_group(lengths, row_tokens)
    filled = max(1.0, min(float(groups), row_tokens / lengths.tokens))
    patches = PATCHES_PER_IMAGE_TOKEN * lengths.image_tokens if encode_images else 0.0
    return Row(filled * lengths.tokens, filled * lengths.predicted, filled * patches)


@dataclass(frozen=True)
class TrainingMemory:
    """The parts of a training's memory, in bytes."""

    weights: float
    gradients: float
    moments: float
    reference: float
    update: float  # while the fullest row is computed forward and backward
    decoding: float  # copy of the weights and cache; with sharding, all weights

    @property
    def peak(self) -> float:
        """The most at a time."""
        kept = self.weights + self.moments + self.reference
        return kept + max(self.gradients + self.update, self.decoding)


def training_memory(
    shape: ModelShape,
    row: Row,
    *,
    precision: str,
    train_vision_tower: bool,
    gradient_checkpointing: bool,
    has_reference: bool,
    decoding: float,
    sharing: int = 1,
) -> TrainingMemory:
    """Of one training. decoding: decoding_bytes of its rollouts, 0 without any.

    sharing: processes among which the trained weights are divided; 1 without sharding.
    """
    trained = shape.parameters if train_vision_tower else shape.text
    sharded = sharing > 1
    update = update_bytes(shape, row, precision, gradient_checkpointing, keeps_casts=not sharded)
    return TrainingMemory(
        weights=FP32 * (shape.parameters - trained + trained / sharing),
        gradients=FP32 * trained / sharing,
        moments=2 * FP32 * trained / sharing,
        reference=reference_bytes(shape, precision, train_vision_tower) if has_reference else 0.0,
        update=update + (gathered_bytes(shape, train_vision_tower) if sharded else 0.0),
        decoding=decoding + (FP32 * trained if sharded and decoding else 0.0),
    )


def gathered_bytes(shape: ModelShape, train_vision_tower: bool) -> float:
    """What sharding gathers in an update: whole weights, and gradients before they are divided.

    The model's own group has what is outside the layers, and the last layer; its weights stay until the
    backward pass ends. Of the others two are there at a time: one computes, the next is fetched. The head's
    gradient is in update_bytes.
    """
    layer = shape.text_layer
    own = shape.text - (shape.layers - 1) * layer
    if train_vision_tower:
        own += shape.vision - shape.vision_layers * shape.vision_block
    return FP32 * (2 * (own + 2 * layer) - shape.head)


def reference_bytes(shape: ModelShape, precision: str, train_vision_tower: bool) -> float:
    """The frozen copy of the backbone. A frozen vision tower is shared with it.

    The weights of Linear modules and of the patch embedding have the precision's size. Embeddings and norms
    are fp32, and so is a head that is tied to the embeddings. (Biases are counted as fp32.)
    """
    linear = shape.text_linear + (0 if shape.tied else shape.head)
    linear += shape.vision_linear + shape.patch_embedding if train_vision_tower else 0
    parameters = shape.parameters if train_vision_tower else shape.text
    return (BF16 if precision == "bf16" else FP32) * linear + FP32 * (parameters - linear)


def update_bytes(
    shape: ModelShape, row: Row, precision: str, gradient_checkpointing: bool, keeps_casts: bool = True
) -> float:
    """The most that a row takes forward and backward, besides weights and gradients.

    keeps_casts: as in modeling/precision.py.
    """
    saved = saved_bytes(shape, row, precision, gradient_checkpointing)
    return saved + _working(shape, row, precision, gradient_checkpointing, keeps_casts)


def saved_bytes(shape: ModelShape, row: Row, precision: str, gradient_checkpointing: bool) -> float:
    """What autograd saves of a row's tokens and patches until the backward pass, and casts of weights."""
    size = BF16 if precision == "bf16" else FP32
    rotary = row.tokens * 2 * FP32 * shape.hidden / shape.heads  # cosines and sines, for all layers
    merger = row.patches * size * 4 * shape.vision_hidden
    pixels = row.patches * size * PATCH_VALUES
    if gradient_checkpointing:  # a layer's input alone
        blocks = row.patches * size * shape.vision_hidden * shape.vision_layers
        layers = row.tokens * FP32 * shape.hidden * (shape.layers - 1)
    else:
        blocks = row.patches * _vision_block(shape, size) * shape.vision_layers
        blocks += row.patches * 2 * FP32 * shape.vision_hidden / shape.vision_heads
        layers = _whole_layer(shape, row, precision) * (shape.layers - 1)
    casts = _cast_bytes(shape, row, precision, all_layers=not gradient_checkpointing)
    return _last_layer(shape, row, precision) + rotary + merger + pixels + blocks + layers + casts


def _last_layer(shape: ModelShape, row: Row, precision: str) -> float:
    """The language model's last layer, whose feed-forward part is computed where a token is predicted."""
    last = row.tokens * _attention_part(shape, precision) + row.predicted * _feed_forward_part(
        shape, precision
    )
    # The last norm: its input, its scale, the normed, the result.
    return last + row.predicted * FP32 * (3 * shape.hidden + 1)


def _whole_layer(shape: ModelShape, row: Row, precision: str) -> float:
    """What one layer of the language model saves of all the row's tokens."""
    return row.tokens * (_attention_part(shape, precision) + _feed_forward_part(shape, precision))


def _attention_part(shape: ModelShape, precision: str) -> float:
    """Per token: the norm before it, then queries, keys, values, output, and a log-sum-exp per head."""
    size = BF16 if precision == "bf16" else FP32
    attention = size * (2 * shape.hidden + 2 * shape.key_value) + FP32 * shape.heads
    return _norm(shape, precision, readers=3) + attention


def _feed_forward_part(shape: ModelShape, precision: str) -> float:
    """Per token: the norm before it, then the gate, its SiLU, the other half, and their product."""
    size = BF16 if precision == "bf16" else FP32
    return _norm(shape, precision, readers=2) + size * 4 * shape.feed_forward


def _norm(shape: ModelShape, precision: str, readers: int) -> float:
    """Per token: the input and the normed in fp32, and the result: in bf16 cast for each product anew."""
    results = BF16 * readers if precision == "bf16" else FP32
    return 2 * FP32 * shape.hidden + FP32 + results * shape.hidden


def _vision_block(shape: ModelShape, size: int) -> float:
    """Per patch: 11 times the width (two norms' inputs and results, q and k rotated, q, k and v as computed,
    attention's output twice), and three times the feed-forward's width."""
    statistics = FP32 * (4 + shape.vision_heads)
    return size * (11 * shape.vision_hidden + 3 * shape.vision_feed_forward) + statistics


def _cast_bytes(shape: ModelShape, row: Row, precision: str, all_layers: bool) -> float:
    """autocast's copies of matrices for a row: of all layers, or of the last one and the merger."""
    if precision != "bf16":
        return 0.0
    text, vision = (
        (shape.text_linear, shape.vision_linear)
        if all_layers
        else (shape.text_linear / shape.layers, shape.merger_linear)
    )
    return BF16 * (text + (vision if row.patches else 0))


def _working(
    shape: ModelShape, row: Row, precision: str, gradient_checkpointing: bool, keeps_casts: bool
) -> float:
    """The most that is in use beside what is saved: the head's, or one layer's while it is computed again."""
    half = precision == "bf16"
    size = BF16 if half else FP32
    chunk = min(LOGITS_AT_A_TIME, row.predicted * shape.vocabulary)
    # Backward: logits and their gradient in fp32, and the head's gradient.
    backward = chunk * 2 * FP32 + shape.head * FP32
    if half:  # also the head's cast, and the gradients' casts: first of the logits, then of the head
        backward = max(
            chunk * (2 * FP32 + BF16) + shape.head * (FP32 + BF16),
            chunk * (FP32 + BF16) + shape.head * (FP32 + 2 * BF16),
        )
    if not gradient_checkpointing:
        return backward
    # Forward: logits and log-probabilities; autocast keeps its casts of all weights until the pass ends.
    casts = _cast_bytes(shape, row, precision, all_layers=keeps_casts)
    forward = chunk * 2 * FP32 + casts + (BF16 * shape.head if half else 0)
    # A layer again: what it saves, and gradients in flight; the last layer's share of what is saved is gone.
    # The gradient of a head that is tied to the embeddings waits for theirs.
    gradients = row.tokens * (3 * size * shape.feed_forward + 2 * FP32 * shape.hidden)
    waiting = FP32 * shape.head if shape.tied else 0
    again = _whole_layer(shape, row, precision) + gradients - _last_layer(shape, row, precision) + waiting
    return max(backward, forward, again)


def cache_bytes(
    shape: ModelShape, precision: str, prompts: int, prompt_tokens: float, group: int, longest: int
) -> float:
    """Decoding's cache when every completion has `longest` tokens; a group's prompt once.

    In bf16 it has a fixed shape (modeling/fixed_cache.py), in fp32 it grows.
    """
    if precision == "bf16":
        prompt_tokens = math.ceil(prompt_tokens / PROMPT_ROOM_STEP) * PROMPT_ROOM_STEP
    return token_bytes(shape, precision) * prompts * (prompt_tokens + group * (longest - 1))


def token_bytes(shape: ModelShape, precision: str) -> float:
    """Keys and values of one token, in all layers."""
    return 2 * (BF16 if precision == "bf16" else FP32) * shape.layers * shape.key_value


def copy_bytes(shape: ModelShape, precision: str) -> float:
    """Decoding's copy of the language model's matrices and of the head, in the precision of its products."""
    return (BF16 if precision == "bf16" else FP32) * (shape.text_linear + shape.head)


def read_bytes(shape: ModelShape, precision: str, lengths: Lengths) -> float:
    """Keys and values that decoding a prompt's completions reads: at each token the prompt's, once for the
    group, and every completion's own."""
    fed = max(0.0, lengths.completion_tokens - 1)
    tokens = fed * lengths.prompt_tokens + lengths.completions * fed * (fed + 1) / 2
    return token_bytes(shape, precision) * tokens


def decoding_bytes(
    shape: ModelShape, precision: str, prompts: int, prompt_tokens: float, group: int, longest: int
) -> float:
    """Copy, cache, and what is beside it: prompts' states as they were computed, in fp32.

    In fp32 the cache grows by copying, which may take more: a quarter of it.
    """
    cache = cache_bytes(shape, precision, prompts, prompt_tokens, group, longest)
    computed = token_bytes(shape, "fp32") * prompts * prompt_tokens
    beside = computed if precision == "bf16" else max(computed, cache / 4)
    return copy_bytes(shape, precision) + cache + beside


def evaluation_memory(
    shape: ModelShape, precision: str, batch: int, prompt_tokens: float, longest: int
) -> float:
    """Weights, and what decoding takes for a batch of prompts with one answer each."""
    return FP32 * shape.parameters + decoding_bytes(shape, precision, batch, prompt_tokens, 1, longest)
