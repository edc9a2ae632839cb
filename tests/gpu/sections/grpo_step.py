"""One GRPO step of a random Qwen2-VL-2B, part by part: pictures, rollout, reference, update."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from gpu.backbones import make_backbone, make_pictures, make_processor, make_prompts
from gpu.flops import forward_flops
from gpu.record import Record, Skipped
from gpu.shapes import Shapes
from gpu.timing import (
    TokenClock,
    begin_peak,
    bf16_peak,
    device_gb,
    median_seconds,
    peak_gb,
    seconds_of,
    synchronize,
)
from othink_mr1.config.methods import GRPO
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.packed_rows import Group, PackedRow
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.advantages import group_advantages
from othink_mr1.training.grpo import grpo_backward, packed_rollout
from othink_mr1.training.log_probabilities import completion_log_probabilities
from othink_mr1.training.optimisation import Optimisation, prepare_for_training
from othink_mr1.training.reference import make_reference
from othink_mr1.training.sampling import Sampler, uniform_numbers
from tiny import grpo_settings


def run(record: Record, shapes: Shapes) -> None:
    """Time a step's parts, with completions of many lengths, as a real rollout has them."""
    require_memory(shapes)
    settings = settings_of(shapes)
    processor = make_processor()
    model = make_backbone(shapes, processor)
    record.note(gb_of_weights=device_gb(shapes.device), parameters=sum(w.numel() for w in model.parameters()))
    pictures = make_pictures(shapes.prompts, shapes.picture)
    started = time.perf_counter()
    prompts = make_prompts(model, processor, pictures)
    record.note(
        picture_ms=1e3 * (time.perf_counter() - started) / len(prompts), prompt_tokens=len(prompts[0])
    )
    vocabulary = len(processor.tokenizer)
    completions = _roll_out(record, shapes, model, prompts, vocabulary)
    reference = make_reference(model, settings)
    assert reference is not None, "the settings have a KL weight"
    record.note(gb_of_reference=sum(w.nbytes for w in reference.parameters()) / 1e9)
    shortened = [tokens[: _length(place, shapes)] for place, tokens in enumerate(completions)]
    _update(record, shapes, model, reference, prompts, shortened, settings)


def require_memory(shapes: Shapes) -> None:
    """Skipped if the card has not the memory of a step."""
    if shapes.device.type == "cuda":
        free = torch.cuda.mem_get_info()[0] / 1e9
        if free < shapes.gb_needed:
            raise Skipped(f"needs {shapes.gb_needed:g} GB on the card, {free:.0f} are free")


def settings_of(shapes: Shapes) -> GRPO:
    """GRPO's settings as in config.yaml, at the check's sizes."""
    return grpo_settings(
        precision="bf16",
        learning_rate=1e-6,
        prompts_per_step=shapes.prompts,
        group_size=shapes.group,
        max_completion_tokens=shapes.new_tokens,
        top_k=50,
    )


def sampler_of(shapes: Shapes, vocabulary: int) -> Sampler:
    """A rollout's sampler; the tokenizer is small, so the model's other rows stand for no token."""
    uniform = uniform_numbers(1, 1, shapes.prompts, shapes.group, shapes.new_tokens)
    never = list(range(vocabulary - 14, vocabulary))  # the special tokens, which stand last
    rows = shapes.backbone["text_config"]["vocab_size"]
    return Sampler(uniform.to(shapes.device), 1.0, 50, never, vocabulary, rows)


def _roll_out(
    record: Record,
    shapes: Shapes,
    model: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    vocabulary: int,
) -> list[list[int]]:
    """Every completion to its greatest length: no token stops it."""
    sampler = sampler_of(shapes, vocabulary)
    with autocast("bf16", shapes.device):
        decode(model, prompts, shapes.group, 4, [], sampler)  # kernels are loaded at their first call
        begin_peak(shapes.device)
        clock = TokenClock(sampler, shapes.device, profiled_token=shapes.new_tokens // 4)
        synchronize(shapes.device)
        started = time.perf_counter()
        completions = decode(model, prompts, shapes.group, shapes.new_tokens, [], clock)
        unwatched = seconds_of(
            lambda: decode(model, prompts, shapes.group, shapes.new_tokens, [], sampler), shapes.device
        )
    sequences = shapes.prompts * shapes.group
    spent = clock.token_ms()
    eighth = max(1, len(spent) // 8)
    logits = torch.randn(sequences, shapes.backbone["text_config"]["vocab_size"], device=shapes.device)
    numbers = torch.arange(sequences, device=shapes.device)
    record.note(
        prefill_seconds=clock.times[0] - started,
        rollout_seconds=unwatched,
        token_ms_early=statistics.median(spent[:eighth]),
        token_ms_late=statistics.median(spent[-eighth:]),
        tokens_per_second=1e3 * sequences / statistics.median(spent),
        sampler_ms=1e3 * median_seconds(lambda: sampler(logits, numbers, numbers * 0), shapes.device),
        kernels_per_token=len(clock.kernels),
        launches_per_token=clock.launches,
        gpu_ms_per_token=sum(ms for _, ms in clock.kernels),
        largest_kernels_ms=clock.largest_kernels(8),
        gb_peak_of_rollout=peak_gb(shapes.device),
    )
    lengths = {len(completion) for completion in completions}
    record.true(all_completions_have_full_length=lengths == {shapes.new_tokens})
    return completions


def _length(place: int, shapes: Shapes) -> int:
    """Of a completion: between half of the greatest length and all of it, hardly two alike in a group."""
    half = shapes.new_tokens // 2
    return half + 37 * place % (half + 1)


def _update(
    record: Record,
    shapes: Shapes,
    model: Qwen2VLForConditionalGeneration,
    reference: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    completions: Sequence[list[int]],
    settings: GRPO,
) -> None:
    prepare_for_training(model, train_vision_tower=True, gradient_checkpointing=True)
    optimisation = Optimisation(new_accelerator(shapes.device.type), model, settings)
    begin_peak(shapes.device)
    started = time.perf_counter()
    rows = packed_rollout(prompts, list(completions), shapes.row_tokens, shapes.device)
    synchronize(shapes.device)
    record.note(packing_seconds=time.perf_counter() - started, rows=len(rows))

    parts = StepParts(model, reference, optimisation, rows, shapes, settings)
    # Each twice: a first pass meets shapes that were not there before, as every step of a study does.
    record.note(
        reference_seconds_first=seconds_of(parts.compare, shapes.device),
        reference_seconds=seconds_of(parts.compare, shapes.device),
        forward_backward_seconds_first=seconds_of(parts.backward, shapes.device),
        forward_backward_seconds=seconds_of(parts.backward, shapes.device),
        optimizer_seconds_first=seconds_of(parts.update, shapes.device),
        optimizer_seconds=seconds_of(parts.update, shapes.device),
        gb_peak_of_update=peak_gb(shapes.device),
        gb_static=device_gb(shapes.device),
    )
    group = shapes.group
    flops = forward_flops(
        model,
        [
            Group(prompt, completions[place * group : (place + 1) * group])
            for place, prompt in enumerate(prompts)
        ],
    )
    peak = bf16_peak(shapes.device, shapes.peak_rows)
    reference_seconds = seconds_of(parts.compare, shapes.device)
    backward_seconds = seconds_of(parts.backward, shapes.device)
    record.note(
        completion_tokens=sum(map(len, completions)),
        forward_tflop=flops / 1e12,
        share_of_peak_reference=flops / reference_seconds / peak,
        # The pass that checkpointing repeats is no part of what is needed.
        share_of_peak_forward_backward=3 * flops / backward_seconds / peak,
    )
    record.true(loss_is_finite=bool(torch.isfinite(torch.tensor(parts.loss))))


class StepParts:
    """The parts of an update, each to be called and timed on its own."""

    def __init__(
        self,
        model: Qwen2VLForConditionalGeneration,
        reference: Qwen2VLForConditionalGeneration,
        optimisation: Optimisation,
        rows: Sequence[PackedRow],
        shapes: Shapes,
        settings: GRPO,
    ) -> None:
        self._model, self._reference, self._optimisation = model, reference, optimisation
        self._rows, self._shapes, self._settings = rows, shapes, settings
        self._accelerator = new_accelerator(shapes.device.type)
        self._reference_values: list[Tensor] = []
        self.loss = float("nan")

    @torch.no_grad()
    def compare(self) -> None:
        """The reference's log-probabilities."""
        with autocast("bf16", self._shapes.device):
            self._reference_values = [
                completion_log_probabilities(self._reference, row) for row in self._rows
            ]

    def backward(self) -> None:
        """Loss and gradient; of each group every other completion is rewarded."""
        self._model.train()
        rewards = torch.arange(self._shapes.group).expand(self._shapes.prompts, -1) % 2.0
        advantages = group_advantages(rewards, self._settings.advantage_epsilon).flatten()
        sums = grpo_backward(
            self._accelerator,
            self._model,
            self._rows,
            advantages.to(self._shapes.device),
            None,
            self._reference_values,
            self._settings,
            0.04,
        )
        self.loss = sums.loss

    def update(self) -> None:
        """Clipping and AdamW."""
        self._optimisation.update(1)
