"""The sizes of the problems that are measured: images, prompts, completions."""

from __future__ import annotations

from dataclasses import dataclass, replace

# Qwen2-VL's image processor makes one image token of 28 x 28 pixels: 2 x 2 patches of 14 x 14.
PIXELS_PER_IMAGE_TOKEN_SIDE = 28


def tokens_of_image(side: int) -> int:
    """Image tokens of a square image, its side in pixels."""
    return (side // PIXELS_PER_IMAGE_TOKEN_SIDE) ** 2


@dataclass(frozen=True)
class GRPOShape:
    """One GRPO step's size."""

    name: str
    prompt_tokens: int  # of one prompt, image tokens included
    image_side: int  # pixels; images are square
    mean_completion: int  # tokens, the stop token included
    longest_completion: int  # tokens
    prompts: int = 2  # P, per step
    group: int = 8  # G, completions per prompt

    @property
    def image_tokens(self) -> int:
        """Image tokens of one prompt."""
        return tokens_of_image(self.image_side)


# The four kinds of step that are compared: ordinary, image-heavy, long answers, and all answers full length.
GRPO_SHAPES = (
    GRPOShape("S1", prompt_tokens=124, image_side=224, mean_completion=71, longest_completion=128),
    GRPOShape("S2", prompt_tokens=316, image_side=448, mean_completion=45, longest_completion=96),
    GRPOShape("S3", prompt_tokens=76, image_side=112, mean_completion=153, longest_completion=256),
    GRPOShape("S4", prompt_tokens=124, image_side=224, mean_completion=128, longest_completion=128),
)
# Memory is measured where it is highest: with every completion at its full length.
MEMORY_SHAPES = (
    GRPO_SHAPES[3],
    GRPOShape("image-heavy", prompt_tokens=316, image_side=448, mean_completion=64, longest_completion=64),
)
# For trying whether everything runs.
QUICK = GRPOShape("quick", prompt_tokens=124, image_side=224, mean_completion=8, longest_completion=16)
# What runs once before memory is measured: it fills caches and makes the optimiser's state.
WARM_UP = GRPOShape("warm-up", prompt_tokens=76, image_side=112, mean_completion=8, longest_completion=8)

# The text around the image is 60 tokens everywhere.
_TEXT_TOKENS = 60
_SCALING_BASE = GRPOShape(
    "base", prompt_tokens=64 + _TEXT_TOKENS, image_side=224, mean_completion=64, longest_completion=64
)


@dataclass(frozen=True)
class Sweep:
    """One size varied, the others as in the base."""

    name: str
    title: str
    values: tuple[int, ...]

    def shape(self, value: int) -> GRPOShape:
        """The shape at one value."""
        name = f"{self.name}={value}"
        if self.name == "group":
            return replace(_SCALING_BASE, name=name, group=value)
        if self.name == "prompts":
            return replace(_SCALING_BASE, name=name, prompts=value)
        if self.name == "completion_tokens":
            return replace(_SCALING_BASE, name=name, mean_completion=value, longest_completion=value)
        assert self.name == "image_tokens"
        side = round(value**0.5) * PIXELS_PER_IMAGE_TOKEN_SIDE
        return replace(_SCALING_BASE, name=name, image_side=side, prompt_tokens=value + _TEXT_TOKENS)


SWEEPS = (
    Sweep("group", "completions per prompt, G", (2, 4, 8, 16, 32)),
    Sweep("image_tokens", "image tokens per prompt", (16, 64, 256, 1024)),
    Sweep("completion_tokens", "tokens per completion", (32, 64, 128, 256, 512)),
    Sweep("prompts", "prompts per step, P", (1, 2, 4, 8)),
)


@dataclass(frozen=True)
class EvaluationShape:
    """One evaluation's size."""

    items: int
    prompt_tokens: tuple[int, int]  # shortest and longest prompt, image tokens included
    image_side: int  # pixels
    mean_answer: int  # tokens, the stop token included
    longest_answer: int  # tokens
    batch_size: int  # prompts decoded at a time


EVALUATION = EvaluationShape(
    items=64, prompt_tokens=(104, 144), image_side=224, mean_answer=85, longest_answer=256, batch_size=32
)


@dataclass(frozen=True)
class SupervisedShape:
    """One SFT step's size."""

    name: str
    batch_size: int
    prompt_tokens: tuple[int, int]  # shortest and longest prompt, image tokens included
    image_side: int  # pixels
    target_tokens: tuple[int, int]  # shortest and longest target, the end of the message included


SUPERVISED_SHAPES = (
    SupervisedShape(
        "SFT 224²", batch_size=8, prompt_tokens=(104, 144), image_side=224, target_tokens=(60, 120)
    ),
    SupervisedShape(
        "SFT 112²", batch_size=8, prompt_tokens=(56, 96), image_side=112, target_tokens=(60, 120)
    ),
)
