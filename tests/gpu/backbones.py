"""Random models, pictures and prompts of the shapes' sizes."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from gpu.shapes import Shapes
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.prepared_prompts import PreparedAhead
from othink_mr1.modeling.processor import Qwen2VLProcessor, new_processor
from othink_mr1.modeling.prompts import Prompt, PromptMaker
from othink_mr1.modeling.tokenizer import train_tokenizer
from tiny import QUESTIONS, TARGETS, TEMPLATE

TEXT = (
    "How many different items are there in the image?  Output the thinking process in <think> </think> and "
    "final answer (number) in <answer> </answer> tags."
)


def make_processor() -> Qwen2VLProcessor:
    """A small tokenizer with Qwen2-VL's image processing: words do not matter here, pictures do."""
    return new_processor(train_tokenizer([TEXT, TEMPLATE, *QUESTIONS, *TARGETS] * 3, 400))


def make_model(
    sizes: dict[str, Any], processor: Qwen2VLProcessor, device: torch.device, layers: int | None = None
) -> Qwen2VLForConditionalGeneration:
    """A Qwen2-VL of random fp32 weights, always the same on a device; transformers' own kernels."""
    token_id = processor.tokenizer.convert_tokens_to_ids
    text = sizes["text_config"]
    config = Qwen2VLConfig(
        **sizes | {"text_config": text if layers is None else text | {"num_hidden_layers": layers}},
        image_token_id=token_id("<|image_pad|>"),
        video_token_id=token_id("<|video_pad|>"),
        vision_start_token_id=token_id("<|vision_start|>"),
        vision_end_token_id=token_id("<|vision_end|>"),
    )
    torch.manual_seed(0)
    with device:
        return Qwen2VLForConditionalGeneration(config).eval()


def make_backbone(shapes: Shapes, processor: Qwen2VLProcessor) -> Qwen2VLForConditionalGeneration:
    """The model that is trained, with this project's kernels."""
    model = make_model(shapes.backbone, processor, shapes.device)
    use_own_kernels(model)
    return model


def make_pictures(count: int, size: tuple[int, int]) -> list[bytes]:
    """Noise as PNG files, all different, which take as long to decode as photographs."""
    width, height = size
    pictures = []
    for number in range(count):
        pixels = torch.randint(
            256, (height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(number)
        )
        stream = io.BytesIO()
        Image.fromarray(pixels.numpy()).save(stream, "PNG", compress_level=1)
        pictures.append(stream.getvalue())
    return pictures


def make_prompts(
    model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor, pictures: list[bytes]
) -> list[Prompt]:
    """A prompt per picture."""
    return PromptMaker(model, processor).make(pictures, [TEXT] * len(pictures))


def prompts_ahead(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    pictures: list[bytes],
    threads: int | None = None,
    batches: int = 2,
) -> PreparedAhead[bytes, Prompt]:
    """Batches of the same pictures, numbered from 1, by default in as many threads as the study has here."""
    maker = PromptMaker(model, processor)

    def make(pictures: Sequence[bytes]) -> list[Prompt]:
        return maker.make(pictures, [TEXT] * len(pictures))

    return PreparedAhead(make, lambda number: pictures, batches, threads or study_threads())


def study_threads() -> int:
    """As modeling/prepared_prompts.py has for a job with all of this machine's cores."""
    return max(1, len(os.sched_getaffinity(0)) - 1)


def pictures_in_threads(
    model: Qwen2VLForConditionalGeneration, processor: Qwen2VLProcessor, pictures: list[bytes]
) -> dict[str, float]:
    """Wall time per picture, in one thread and in as many as the study has here."""

    def milliseconds(threads: int) -> float:
        started = time.perf_counter()
        with prompts_ahead(model, processor, pictures, threads, batches=1) as batch:
            batch.take(1)
        return 1e3 * (time.perf_counter() - started) / len(pictures)

    return {
        "picture_ms_one_by_one": milliseconds(1),
        "threads": study_threads(),
        "picture_ms_in_threads": milliseconds(study_threads()),
    }


def random_tokens(count: int, seed: int, vocabulary: int) -> list[int]:
    """Token ids in 0 .. vocabulary - 1."""
    return torch.randint(vocabulary, (count,), generator=torch.Generator().manual_seed(seed)).tolist()
