"""One SFT step of a random Qwen2-VL-2B."""

from __future__ import annotations

import time

from gpu.backbones import (
    make_backbone,
    make_pictures,
    make_processor,
    make_prompts,
    pictures_in_threads,
    prompts_ahead,
    random_tokens,
)
from gpu.flops import forward_flops
from gpu.record import Record
from gpu.sections.grpo_step import require_memory
from gpu.shapes import Shapes
from gpu.timing import begin_peak, bf16_peak, peak_gb, seconds_of
from othink_mr1.modeling.packed_rows import Group
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.optimisation import Optimisation, prepare_for_training
from othink_mr1.training.supervised import Lesson, supervised_backward
from tiny import sft_settings


def run(record: Record, shapes: Shapes) -> None:
    """Time pictures, forward with backward, and the optimizer."""
    require_memory(shapes)
    settings = sft_settings(precision="bf16", learning_rate=2e-5, batch_size=shapes.sft_batch)
    processor = make_processor()
    model = make_backbone(shapes, processor)
    pictures = make_pictures(shapes.sft_batch, shapes.picture)
    started = time.perf_counter()
    prompts = make_prompts(model, processor, pictures)
    record.note(pictures_seconds=time.perf_counter() - started, batch=len(prompts))
    record.note(**pictures_in_threads(model, processor, pictures))
    # Of many lengths, as targets with reasoning have.
    lessons = [
        Lesson(prompt, random_tokens(shapes.target_tokens // 2 + place % shapes.target_tokens, place, 300))
        for place, prompt in enumerate(prompts)
    ]
    prepare_for_training(model, train_vision_tower=True, gradient_checkpointing=True)
    model.train()
    accelerator = new_accelerator(shapes.device.type)
    optimisation = Optimisation(accelerator, model, settings)
    losses = []
    begin_peak(shapes.device)

    def backward() -> None:
        loss, _ = supervised_backward(accelerator, model, lessons, settings.precision, shapes.row_tokens)
        losses.append(loss)

    first = seconds_of(backward, shapes.device)
    optimizer_first = seconds_of(lambda: optimisation.update(1), shapes.device)
    again = seconds_of(backward, shapes.device)
    flops = forward_flops(model, [Group(lesson.prompt, [lesson.target]) for lesson in lessons])
    record.note(
        forward_backward_seconds_first=first,
        forward_backward_seconds=again,
        optimizer_seconds_first=optimizer_first,
        optimizer_seconds=seconds_of(lambda: optimisation.update(2), shapes.device),
        gb_peak=peak_gb(shapes.device),
        target_tokens=sum(len(lesson.target) for lesson in lessons),
        forward_tflop=flops / 1e12,
    )
    peak = bf16_peak(shapes.device, shapes.peak_rows)
    record.note(share_of_peak_forward_backward=3 * flops / again / peak)
    # Python's lock, which the threads also need, delays what the GPU is given.
    with prompts_ahead(model, processor, pictures) as batches:
        batches.take(1)
        record.note(forward_backward_seconds_while_preparing=seconds_of(backward, shapes.device))
    # The same batch again: an update against the gradient lowers its loss.
    record.note(loss_before=losses[0], loss_after=losses[1])
    record.true(loss_falls=losses[1] < losses[0])
