"""What the systems are given: images, questions, completion lengths, rewards: every time the same."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.speed.backbone import words
from benchmarks.speed.forced_lengths import draw_lengths
from benchmarks.speed.shapes import EvaluationShape, GRPOShape, SupervisedShape, tokens_of_image
from othink_mr1.modeling.processor import Qwen2VLProcessor
from othink_mr1.modeling.prompts import target_text
from othink_mr1.modeling.tokenizer import END_OF_MESSAGE


@dataclass(frozen=True)
class GRPOWorkload:
    """One GRPO step's input."""

    shape: GRPOShape
    images: list[bytes]  # PNG, one per prompt
    texts: list[str]  # one per prompt
    lengths: list[int]  # prompts x group, tokens, a group in a row
    rewards: list[float]  # prompts x group

    @property
    def decoded_images(self) -> list[Image.Image]:
        """The pictures, as TRL's and R1-V's data sets hand them out."""
        return decoded(self.images)


@dataclass(frozen=True)
class EvaluationWorkload:
    """One evaluation's input."""

    shape: EvaluationShape
    images: list[bytes]
    texts: list[str]
    prompt_tokens: list[int]
    lengths: list[int]


@dataclass(frozen=True)
class SupervisedWorkload:
    """One SFT step's input."""

    shape: SupervisedShape
    images: list[bytes]
    texts: list[str]
    prompt_tokens: list[int]
    golds: list[str]
    target_tokens: list[int]  # of the whole target: the gold in its answer tags, and the end of the message


def grpo_workload(processor: Qwen2VLProcessor, shape: GRPOShape) -> GRPOWorkload:
    """The step's prompts, and rewards that differ within every group."""
    rng = random.Random(0)
    completions = shape.prompts * shape.group
    text_tokens = shape.prompt_tokens - shape.image_tokens
    return GRPOWorkload(
        shape=shape,
        images=[picture(shape.image_side, index) for index in range(shape.prompts)],
        texts=[question(processor, text_tokens, index) for index in range(shape.prompts)],
        lengths=draw_lengths(completions, shape.mean_completion, shape.longest_completion, seed=0),
        rewards=[float((index % shape.group) % 3) + rng.random() for index in range(completions)],
    )


def evaluation_workload(processor: Qwen2VLProcessor, shape: EvaluationShape) -> EvaluationWorkload:
    """Prompts of different lengths."""
    tokens = [random.Random(index).randint(*shape.prompt_tokens) for index in range(shape.items)]
    image_tokens = tokens_of_image(shape.image_side)
    return EvaluationWorkload(
        shape=shape,
        images=[picture(shape.image_side, index) for index in range(shape.items)],
        texts=[question(processor, count - image_tokens, index) for index, count in enumerate(tokens)],
        prompt_tokens=tokens,
        lengths=draw_lengths(shape.items, shape.mean_answer, shape.longest_answer, seed=1),
    )


def supervised_workload(processor: Qwen2VLProcessor, shape: SupervisedShape) -> SupervisedWorkload:
    """Prompts and targets of different lengths."""
    rng = random.Random(2)
    prompt_tokens = [rng.randint(*shape.prompt_tokens) for _ in range(shape.batch_size)]
    target_tokens = [rng.randint(*shape.target_tokens) for _ in range(shape.batch_size)]
    image_tokens = tokens_of_image(shape.image_side)
    return SupervisedWorkload(
        shape=shape,
        images=[picture(shape.image_side, index) for index in range(shape.batch_size)],
        texts=[question(processor, count - image_tokens, index) for index, count in enumerate(prompt_tokens)],
        prompt_tokens=prompt_tokens,
        golds=[_gold(processor, count, index) for index, count in enumerate(target_tokens)],
        target_tokens=target_tokens,
    )


def picture(side: int, seed: int) -> bytes:
    """A PNG of coarse coloured noise."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.NEAREST).save(stream, "PNG")
    return stream.getvalue()


def decoded(images: Sequence[bytes]) -> list[Image.Image]:
    """PNG files as pictures in memory."""
    return [Image.open(io.BytesIO(image)).convert("RGB") for image in images]


def dialogue(processor: Qwen2VLProcessor, text: str) -> str:
    """The chat template around an image and a text, up to where the answer begins."""
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
    filled: str = processor.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    return filled


def question(processor: Qwen2VLProcessor, tokens: int, seed: int) -> str:
    """A text that makes a prompt of this many tokens, image tokens not counted."""

    def count(text: str) -> int:
        # One image token stands in the text before the processor repeats it.
        return len(processor.tokenizer(dialogue(processor, text))["input_ids"]) - 1

    return _padded(count, tokens, seed)


def _gold(processor: Qwen2VLProcessor, tokens: int, seed: int) -> str:
    """A gold answer whose target has this many tokens."""

    def count(gold: str) -> int:
        return len(processor.tokenizer(target_text(None, gold) + END_OF_MESSAGE)["input_ids"])

    return _padded(count, tokens, 1000 + seed)


def _padded(count: Callable[[str], int], tokens: int, seed: int) -> str:
    """Words, then digits (one token each), until the count is right."""
    text = ""
    for word in words(tokens, seed):
        longer = f"{text} {word}".strip()
        if count(longer) > tokens - 2:
            break
        text = longer
    text += " "
    while (missing := tokens - count(text)) > 0:
        text += "7" * missing
    assert missing == 0, f"no text of {tokens} tokens was found: {missing} missing"
    return text
