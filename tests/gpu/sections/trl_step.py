"""The same GRPO step by TRL's trainer and by this project, one after the other in one process."""

from __future__ import annotations

import copy
import gc
import itertools
import tempfile
import time
from typing import Any
from unittest import mock

from PIL import Image

from gpu.backbones import TEXT, make_backbone, make_model, make_pictures, make_processor, make_prompts
from gpu.record import Record, Skipped
from gpu.sections.grpo_step import StepParts, require_memory, sampler_of, settings_of
from gpu.shapes import Shapes
from gpu.timing import begin_peak, peak_gb, seconds_of, synchronize
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.precision import autocast
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.grpo import packed_rollout
from othink_mr1.training.optimisation import Optimisation, prepare_for_training
from othink_mr1.training.reference import make_reference

STEPS = 2  # the first one loads kernels
TRL_SEQUENCES_AT_A_TIME = 8  # completions of one forward pass: 152,000 logits for each of their tokens


def run(record: Record, shapes: Shapes) -> None:
    """Whole steps: every completion has the greatest length, rewards differ within each group."""
    try:
        import trl  # noqa: F401  # seconds; only to know whether it is there
    except ImportError as error:
        raise Skipped(f"TRL cannot be imported ({error})") from None
    require_memory(shapes)
    own_seconds, own_peak = _own_steps(shapes)
    record.note(own_step_seconds=own_seconds[-1], own_step_seconds_first=own_seconds[0], own_gb_peak=own_peak)
    gc.collect()
    trl_seconds, trl_peak = _trl_steps(record, shapes)
    record.note(
        trl_step_seconds=trl_seconds[-1],
        trl_gb_peak=trl_peak,
        trl_by_own=trl_seconds[-1] / own_seconds[-1],
        completion_tokens=shapes.prompts * shapes.group * shapes.new_tokens,
    )


def _own_steps(shapes: Shapes) -> tuple[list[float], float]:
    processor = make_processor()
    model = make_backbone(shapes, processor)
    settings = settings_of(shapes)
    reference = make_reference(model, settings)
    assert reference is not None, "the settings have a KL weight"
    prepare_for_training(model, train_vision_tower=True, gradient_checkpointing=True)
    optimisation = Optimisation(new_accelerator(shapes.device.type), model, settings)
    sampler = sampler_of(shapes, len(processor.tokenizer))
    pictures = make_pictures(shapes.prompts, shapes.picture)

    def step() -> None:
        prompts = make_prompts(model, processor, pictures)
        model.eval()
        with autocast("bf16", shapes.device):
            completions = decode(model, prompts, shapes.group, shapes.new_tokens, [], sampler)
        rows = packed_rollout(prompts, completions, shapes.row_tokens, shapes.device)
        parts = StepParts(model, reference, optimisation, rows, shapes, settings)
        parts.compare()
        parts.backward()
        parts.update()

    begin_peak(shapes.device)
    return [seconds_of(step, shapes.device) for _ in range(STEPS)], peak_gb(shapes.device)


def _trl_steps(record: Record, shapes: Shapes) -> tuple[list[float], float]:
    import trl
    from datasets import Dataset
    from transformers import TrainerCallback

    processor = make_processor()
    model = make_model(shapes.backbone, processor, shapes.device)
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": TEXT}]}
    pictures = [
        Image.effect_noise(shapes.picture, 50 + number).convert("RGB") for number in range(shapes.prompts)
    ]
    rows = [{"prompt": [message], "image": picture} for picture in pictures]

    def every_other(completions: list[Any], **_: Any) -> list[float]:
        return [place % 2.0 for place in range(len(completions))]

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.times: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            synchronize(shapes.device)
            self.times.append(time.perf_counter())
            if len(self.times) == 2:  # kept, should the section be cut
                record.note(trl_step_seconds_first=self.times[1] - self.times[0])

        on_train_end = on_step_begin

    clock = Clock()
    at_a_time = min(TRL_SEQUENCES_AT_A_TIME, shapes.prompts * shapes.group)
    reference = mock.patch(
        "trl.trainer.grpo_trainer.create_model_from_path", return_value=copy.deepcopy(model)
    )
    with tempfile.TemporaryDirectory() as scratch, reference:
        trainer = trl.GRPOTrainer(
            model=model,
            reward_funcs=every_other,
            args=trl.GRPOConfig(
                output_dir=scratch,
                loss_type="grpo",
                scale_rewards="group",
                beta=0.04,
                num_generations=shapes.group,
                per_device_train_batch_size=at_a_time,
                gradient_accumulation_steps=shapes.prompts * shapes.group // at_a_time,
                max_completion_length=shapes.new_tokens,
                temperature=1.0,
                top_k=50,
                top_p=1.0,
                learning_rate=1e-6,
                max_steps=STEPS,
                use_cpu=shapes.device.type == "cpu",
                bf16=True,
                gradient_checkpointing=True,
                gradient_checkpointing_kwargs={"use_reentrant": False},
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(rows),
            processing_class=processor,
            callbacks=[clock],
        )
        begin_peak(shapes.device)
        trainer.train()
    times = clock.times
    return [end - start for start, end in itertools.pairwise(times)], peak_gb(shapes.device)
