"""Floating-point operations of a step, as this project's code executes them.

Counted are products: a multiplication and an addition are two operations. Norms, softmax, sampling and AdamW
are left out: together they are below 1 % for a model of billions. The formulas are checked against torch's
counter, around real steps, in tests/unit/cost/test_flops.py.

What a product costs again:
- backward of a matrix: two products, for its input's gradient and its own; one for the patch embedding, as
  pixels need none;
- attention's own products: two forward (scores, weighted sums of the values); five backward, as flash
  attention computes the scores again;
- the head: three backward, as training/log_probabilities.py computes the logits again;
- with gradient checkpointing, all layers but the language model's last run forward once more, up to their
  last product, whose result no gradient needs (torch's `early_stop`).
"""

from __future__ import annotations

from dataclasses import dataclass

from othink_mr1.cost.model_shape import PATCHES_PER_IMAGE_TOKEN, ModelShape


@dataclass(frozen=True)
class Lengths:
    """A prompt and its completions. Means are enough: only attention, a few percent, is not linear in them.

    prompt_tokens: image_tokens included. learned: tokens of the prompt that are learned too (R1-V's SFT).
    """

    image_tokens: float
    prompt_tokens: float
    completions: int
    completion_tokens: float
    learned: float = 0.0

    @property
    def tokens(self) -> float:
        """All tokens of a packed row's group."""
        return self.prompt_tokens + self.completions * self.completion_tokens

    @property
    def predicted(self) -> float:
        """Tokens whose probability is computed."""
        return self.learned + self.completions * self.completion_tokens


@dataclass(frozen=True)
class Forward:
    """Operations of one forward pass over packed rows, by what a backward pass makes of them."""

    patch_embedding: float
    repeated: float  # matrices of the layers that gradient checkpointing repeats
    spared: float  # of these, each layer's last matrix, which is not repeated
    repeated_attention: float  # their attention's own products
    other: float  # matrices of the merger and of the language model's last layer
    other_attention: float
    head: float

    @property
    def total(self) -> float:
        """Forward alone."""
        return (
            self.patch_embedding
            + self.repeated
            + self.repeated_attention
            + self.other
            + self.other_attention
            + self.head
        )

    def with_backward(self, gradient_checkpointing: bool) -> float:
        """Forward and backward."""
        again = self.repeated - self.spared + self.repeated_attention if gradient_checkpointing else 0.0
        attention = self.repeated_attention + self.other_attention
        matrices = self.repeated + self.other
        return 2 * self.patch_embedding + 3 * matrices + 3.5 * attention + 4 * self.head + again


def forward(shape: ModelShape, lengths: Lengths, encode_image: bool = True) -> Forward:
    """A group in a packed row. encode_image: False if its features are at hand (a frozen tower)."""
    image_tokens = lengths.image_tokens if encode_image else 0.0
    patches = PATCHES_PER_IMAGE_TOKEN * image_tokens
    vision_attention = 4 * patches**2 * shape.vision_hidden  # a patch sees all of its picture
    prompt, own = lengths.prompt_tokens, lengths.completion_tokens
    seen = _causal(prompt) + lengths.completions * (own * prompt + _causal(own))
    attention = 4 * seen * shape.hidden  # of one layer
    # The last layer's feed-forward part is computed where a token is predicted from.
    last = shape.attention_weights * lengths.tokens + shape.feed_forward_weights * lengths.predicted
    return Forward(
        patch_embedding=2 * shape.patch_embedding * patches,
        repeated=2
        * (
            shape.vision_layers * shape.vision_block_linear * patches
            + (shape.layers - 1) * (shape.attention_weights + shape.feed_forward_weights) * lengths.tokens
        ),
        spared=2
        * (
            shape.vision_layers * shape.vision_hidden * shape.vision_feed_forward * patches
            + (shape.layers - 1) * shape.hidden * shape.feed_forward * lengths.tokens
        ),
        repeated_attention=shape.vision_layers * vision_attention + (shape.layers - 1) * attention,
        other=2 * (shape.merger_linear * image_tokens + last),
        other_attention=attention,
        head=2 * shape.head * lengths.predicted,
    )


def prefill(shape: ModelShape, lengths: Lengths) -> float:
    """A prompt before its completions are decoded, with the logits of their first token."""
    alone = Lengths(lengths.image_tokens, lengths.prompt_tokens, 0, 0.0, learned=1.0)
    return forward(shape, alone).total


def decoding(shape: ModelShape, lengths: Lengths) -> float:
    """A prompt's completions, token by token; the last token of each is never fed back."""
    fed = max(0.0, lengths.completion_tokens - 1)
    seen = fed * lengths.prompt_tokens + _causal(fed)
    of_completion = 2 * (shape.text_linear + shape.head) * fed + 4 * seen * shape.hidden * shape.layers
    return lengths.completions * of_completion


def _causal(tokens: float) -> float:
    """Pairs of tokens that see each other: each sees itself and those before."""
    return tokens * (tokens + 1) / 2
