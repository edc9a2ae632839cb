"""Evaluation batches of a random Qwen2-VL-2B: what a larger batch costs per token."""

from __future__ import annotations

import statistics
import time

import torch
from transformers import Qwen2VLForConditionalGeneration

from gpu.backbones import (
    make_backbone,
    make_pictures,
    make_processor,
    make_prompts,
    pictures_in_threads,
)
from gpu.record import Record, Skipped
from gpu.shapes import Shapes
from gpu.timing import TokenClock, begin_peak, peak_gb, synchronize
from othink_mr1.cost.model_shape import shape_of_values
from othink_mr1.evaluation.batch_size import fitting_batch
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.token_choice import greedy

GB_NEEDED = 30
SOME_PICTURES = 64  # a refill's, and as many as are prepared ahead
NO_CARD = 2**36  # bytes that are taken for free on a CPU
LONGEST_PROMPT = 800  # tokens: a picture of 512, and a long question


def run(record: Record, shapes: Shapes) -> None:
    """Greedy answers to batches of several sizes, without a token that ends them."""
    if shapes.device.type == "cuda":
        free = torch.cuda.mem_get_info()[0] / 1e9
        if free < GB_NEEDED:
            raise Skipped(f"needs {GB_NEEDED} GB on the card, {free:.0f} are free")
    processor = make_processor()
    model = make_backbone(shapes, processor)
    pictures = make_pictures(max(shapes.evaluation_batches), shapes.picture)
    started = time.perf_counter()
    prompts = make_prompts(model, processor, pictures)
    record.note(pictures_seconds=time.perf_counter() - started)
    record.note(**pictures_in_threads(model, processor, pictures[:SOME_PICTURES]))
    _note_the_rule(record, shapes, model, len(prompts[0]))
    with autocast("bf16", shapes.device):
        decode(model, prompts[:2], 1, 4, [], greedy)
        for batch in shapes.evaluation_batches:
            begin_peak(shapes.device)
            clock = TokenClock(greedy, shapes.device)
            synchronize(shapes.device)
            started = time.perf_counter()
            answers = decode(model, prompts[:batch], 1, shapes.evaluation_tokens, [], clock)
            token_ms = statistics.median(clock.token_ms())
            record.note(
                **{
                    f"batch_{batch}": {
                        "prefill_seconds": clock.times[0] - started,
                        "token_ms": token_ms,
                        "tokens_per_second": 1e3 * batch / token_ms,
                        "gb_peak": peak_gb(shapes.device),
                    }
                }
            )
            record.true(
                **{f"batch_{batch}_has_all_tokens": all(len(a) == shapes.evaluation_tokens for a in answers)}
            )


def _note_the_rule(
    record: Record, shapes: Shapes, model: Qwen2VLForConditionalGeneration, prompt_tokens: int
) -> None:
    """How many questions the product would decode at a time on this card, beside the model."""
    free = torch.cuda.mem_get_info()[0] if shapes.device.type == "cuda" else NO_CARD
    record.note(gb_free_beside_the_model=free / 1e9)
    shape = shape_of_values(model.config.to_dict())
    for precision in ("bf16", "fp32"):
        record.note(
            **{
                f"batch_by_the_rule_{precision}": {
                    name: fitting_batch(free, shape, precision, tokens, new_tokens)
                    for name, tokens, new_tokens in (
                        ("256_tokens", prompt_tokens, 256),
                        ("1024_tokens", LONGEST_PROMPT, 1024),
                    )
                }
            }
        )
