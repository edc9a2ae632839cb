"""The bytes of a training and of decoding, against tensors that are there, and what autograd saves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from counting import prompt_lengths, prompts_of, shape_of, train
from torch import Tensor

import plain_flash
from gpu.backbones import make_model, make_processor
from gpu.shapes import study_shapes
from othink_mr1.cost.flops import Lengths
from othink_mr1.cost.memory import (
    LOGITS_AT_A_TIME,
    PROMPT_ROOM_STEP,
    Row,
    cache_bytes,
    copy_bytes,
    decoding_bytes,
    fullest_row,
    gathered_bytes,
    reference_bytes,
    saved_bytes,
    training_memory,
    update_bytes,
)
from othink_mr1.cost.model_shape import PUBLISHED, SMALL_FEED_FORWARD_RATIO, ModelShape
from othink_mr1.modeling import decoding, fixed_batch, small_backbone, varlen_attention
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.packed_rows import Group, PackedRow, pack
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.token_choice import greedy
from othink_mr1.modeling.token_step import TokenStep
from othink_mr1.training import grpo, log_probabilities
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.log_probabilities import completion_log_probabilities
from othink_mr1.training.optimisation import Optimisation, prepare_for_training
from tiny import Tiny, grpo_settings, sft_settings

WITHIN = 0.05
SAVED_WITHIN = 0.02
PEAK_WITHIN = 0.08  # working memory is a sum of the largest tensors alone
B2 = PUBLISHED["Qwen/Qwen2-VL-2B-Instruct"]


def numbers(module: torch.nn.Module, kind: type = torch.nn.Module) -> int:
    """Parameters of a module's parts of a kind, each once; of Linear parts the matrices alone."""
    if kind is torch.nn.Linear:
        return sum(part.weight.numel() for part in module.modules() if isinstance(part, kind))
    return sum(weight.numel() for weight in module.parameters())


def test_parameters_of_the_tiny_backbone(tiny: Tiny) -> None:
    model, shape = tiny.model, shape_of(tiny)
    assert shape.parameters == numbers(model)
    assert shape.vision == numbers(model.model.visual)
    assert shape.text == numbers(model.model.language_model)
    assert shape.text_linear == numbers(model.model.language_model, torch.nn.Linear)
    assert shape.vision_linear == numbers(model.model.visual, torch.nn.Linear)


def test_parameters_of_the_published_backbones() -> None:
    assert B2.parameters == 2_208_985_600
    assert PUBLISHED["Qwen/Qwen2-VL-7B-Instruct"].parameters == 8_291_375_616
    # On the meta device, which has no memory.
    model = make_model(study_shapes().backbone, make_processor(), torch.device("meta"))
    assert numbers(model) == B2.parameters
    assert numbers(model.model.language_model, torch.nn.Linear) == B2.text_linear
    assert numbers(model.model.visual, torch.nn.Linear) == B2.vision_linear


def test_constants_of_modules_that_import_torch() -> None:
    assert log_probabilities.LOGITS_AT_A_TIME["cuda"] == LOGITS_AT_A_TIME
    assert small_backbone.FEED_FORWARD_RATIO == SMALL_FEED_FORWARD_RATIO


def memory(shape: ModelShape, tower: bool, precision: str = "fp32", **changes: Any) -> Any:
    how: dict[str, Any] = {"gradient_checkpointing": False, "has_reference": True, "decoding": 0.0}
    row = Row(tokens=100, predicted=50, patches=40 if tower else 0)
    return training_memory(shape, row, precision=precision, train_vision_tower=tower, **how | changes)


@pytest.mark.parametrize("tower", [True, False], ids=["tower trained", "tower frozen"])
def test_weights_gradients_and_moments(tiny: Tiny, tower: bool) -> None:
    prepare_for_training(tiny.model, tower, gradient_checkpointing=False)
    settings = sft_settings(train_vision_tower=tower)
    optimisation = Optimisation(new_accelerator("cpu"), tiny.model, settings)
    groups = [Group(prompt, [[5, 6, 7]]) for prompt in prompts_of(tiny)]
    completion_log_probabilities(tiny.model, pack(groups, tiny.model.device)).sum().backward()
    expected = memory(shape_of(tiny), tower)
    assert expected.weights == sum(weight.nbytes for weight in tiny.model.parameters())
    assert expected.gradients == sum(
        weight.grad.nbytes for weight in tiny.model.parameters() if weight.grad is not None
    )
    optimisation.update(1)
    kept = optimisation.tensors()
    moments = [*kept["first_moments"].values(), *kept["second_moments"].values()]
    assert expected.moments == sum(value.nbytes for value in moments)


@pytest.mark.parametrize("tower", [True, False], ids=["tower trained", "tower frozen"])
def test_what_sharding_gathers(tiny: Tiny, tower: bool) -> None:
    """By the groups that training/sharding.py makes. Weights and gradients, but for the head's gradient."""
    layers, vision = tiny.model.model.language_model.layers, tiny.model.model.visual
    frozen = 0 if tower else numbers(vision)
    own = numbers(tiny.model) - frozen - sum(map(numbers, [*layers[:-1], *(vision.blocks if tower else [])]))
    at_a_time = own + 2 * numbers(layers[0])
    assert gathered_bytes(shape_of(tiny), tower) == 4 * (2 * at_a_time - tiny.model.lm_head.weight.numel())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("tower", [True, False], ids=["tower trained", "tower frozen"])
def test_the_reference(
    tiny: Tiny, tower: bool, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a real step: the bytes of the model that is computed without gradient, what it shares apart."""
    found: dict[int, int] = {}
    policy: dict[int, int] = {}

    def seen(model: Any, *arguments: Any) -> Any:
        into = policy if torch.is_grad_enabled() else found
        into |= {weight.data_ptr(): weight.nbytes for weight in model.parameters()}
        return completion_log_probabilities(model, *arguments)

    monkeypatch.setattr(grpo, "completion_log_probabilities", seen)
    settings = grpo_settings(
        steps=1, checkpoint_steps=[], prompts_per_step=4, train_vision_tower=tower, precision=precision
    )
    train(tiny, settings, tmp_path)
    own = sum(size for place, size in found.items() if place not in policy)
    assert own == pytest.approx(reference_bytes(shape_of(tiny), precision, tower), rel=WITHIN)


def test_a_reference_in_bf16_halves_the_linear_weights() -> None:
    spared = reference_bytes(B2, "fp32", True) - reference_bytes(B2, "bf16", True)
    assert spared == 2 * (B2.text_linear + B2.vision_linear + B2.patch_embedding)
    assert spared / 1e9 == pytest.approx(3.9, abs=0.1)


def a_row(
    tiny: Tiny, tower: bool, checkpointing: bool, shortest: int = 20, longer: int = 1
) -> tuple[PackedRow, Row]:
    """A row of four groups, on a model that is ready for training; and what the row holds."""
    prepare_for_training(tiny.model, tower, checkpointing)
    tiny.model.train()
    prompts = prompts_of(tiny)
    patches = sum(len(prompt.pixel_values) for prompt in prompts)
    if not tower:
        prompts = [
            replace(prompt, image_features=torch.zeros(len(prompt.pixel_values) // 4, 64))
            for prompt in prompts
        ]
        patches = 0
    groups = [
        Group(prompt, [[5] * (shortest + longer * (3 * place + number)) for number in range(4)])
        for place, prompt in enumerate(prompts)
    ]
    row = pack(groups, tiny.model.device)
    return row, Row(len(row.token_ids), len(row.targets), patches)


def saved(tiny: Tiny, precision: str, tower: bool, checkpointing: bool) -> tuple[int, Row]:
    """Bytes that autograd saves of a row, each storage once and no parameters; and what the row holds."""
    row, holds = a_row(tiny, tower, checkpointing)
    kept = {weight.untyped_storage().data_ptr() for weight in tiny.model.parameters()}
    found: dict[int, Any] = {}  # the storages themselves, as a freed one's place may be taken by another

    def keep(value: Tensor) -> Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in kept:
            found[storage.data_ptr()] = storage
        return value

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value),
        autocast(precision, tiny.model.device),
    ):
        completion_log_probabilities(tiny.model, row)
    return sum(storage.nbytes() for storage in found.values()), holds


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("tower", [True, False], ids=["tower trained", "tower frozen"])
def test_what_autograd_saves(tiny: Tiny, precision: str, tower: bool, checkpointing: bool) -> None:
    number, row = saved(tiny, precision, tower, checkpointing)
    expected = saved_bytes(shape_of(tiny), row, precision, checkpointing)
    print(f"saved {precision} {tower=} {checkpointing=}: formula / counted = {expected / number:.4f}")
    assert expected == pytest.approx(number, rel=SAVED_WITHIN)


def peak_of_an_update(tiny: Tiny, row: PackedRow, precision: str) -> int:
    """Bytes that are allocated at the most while a row is computed forward and backward."""

    def update() -> None:
        with autocast(precision, tiny.model.device):
            values = completion_log_probabilities(tiny.model, row)
        values.sum().backward()

    update()  # gradients are there then
    with torch.profiler.profile(profile_memory=True) as profile:
        update()
    now = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            most = max(most, now)
    # In fp32 the pixels are saved as they are, and were there before the measurement.
    return most + (row.pixel_values.nbytes if precision == "fp32" else 0)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_peak_of_an_update(tiny: Tiny, precision: str, checkpointing: bool) -> None:
    row, holds = a_row(tiny, True, checkpointing)
    number = peak_of_an_update(tiny, row, precision)
    expected = update_bytes(shape_of(tiny), holds, precision, checkpointing)
    print(f"peak {precision} {checkpointing=}: formula / counted = {expected / number:.4f}")
    assert expected == pytest.approx(number, rel=PEAK_WITHIN)


@pytest.mark.parametrize(("shortest", "longer"), [(2, 1), (1, 0)], ids=["logits", "head's gradient"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_peak_with_a_large_vocabulary(tiny: Tiny, precision: str, shortest: int, longer: int) -> None:
    """Few tokens, and a head like a real one: most of the memory is the head's, in the backward pass."""
    vocabulary = 16384
    tiny.model.resize_token_embeddings(vocabulary)
    row, holds = a_row(tiny, True, False, shortest, longer)
    number = peak_of_an_update(tiny, row, precision)
    shape = replace(shape_of(tiny), vocabulary=vocabulary)
    expected = update_bytes(shape, holds, precision, False)
    if precision == "bf16" and shortest == 1:
        # The CPU casts the bf16 product to fp32 before adding it; a GPU adds it as it is.
        expected += 4 * shape.head
    print(f"peak {precision}, large vocabulary, {shortest=}: formula / counted = {expected / number:.4f}")
    assert expected == pytest.approx(number, rel=PEAK_WITHIN)


def test_the_comparison_can_fail(tiny: Tiny) -> None:
    """Each part is large enough: without one of them the formula is off by more than is allowed."""
    number, row = saved(tiny, "fp32", tower=True, checkpointing=False)
    shape = shape_of(tiny)
    assert saved_bytes(shape, row, "fp32", False) == pytest.approx(number, rel=WITHIN)
    for wrong in (
        replace(row, patches=0),
        replace(row, predicted=0),
        replace(row, tokens=0.9 * row.tokens),
    ):
        assert saved_bytes(shape, wrong, "fp32", False) != pytest.approx(number, rel=WITHIN), wrong
    narrow = replace(shape, feed_forward=shape.hidden)
    assert saved_bytes(narrow, row, "fp32", False) != pytest.approx(number, rel=WITHIN)


def reachable(thing: Any, without: set[int]) -> dict[int, int]:
    """Bytes of all tensors in an object's attributes, lists and objects of this project: storage -> bytes."""
    if isinstance(thing, Tensor):
        storage = thing.untyped_storage()
        return {} if storage.data_ptr() in without else {storage.data_ptr(): storage.nbytes()}
    if isinstance(thing, list | tuple):
        parts = thing
    elif type(thing).__module__.startswith("othink_mr1"):
        parts = [getattr(thing, name) for name in vars(thing)]
    else:
        return {}
    return {place: size for part in parts for place, size in reachable(part, without).items()}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_decoding(tiny: Tiny, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache at its largest, and the copy of the weights; in bf16 as on a GPU."""
    if precision == "bf16":
        plain_flash.use(monkeypatch, varlen_attention)
        monkeypatch.setattr(decoding, "flash_takes", lambda device, dtype: True)
    group, longest, shape = 4, 100, shape_of(tiny)
    weights = {weight.untyped_storage().data_ptr() for weight in tiny.model.parameters()}
    caches: list[int] = []
    copies: list[int] = []
    step = TokenStep.__call__

    def watched(self: Any, tokens: Tensor, positions: Tensor, cache: Any) -> Tensor:
        logits = step(self, tokens, positions, cache)
        copies.append(sum(reachable(self, weights).values()))
        caches.append(sum(reachable(cache, weights).values()))
        return logits

    monkeypatch.setattr(TokenStep, "__call__", watched)
    prompts = prompts_of(tiny)
    with autocast(precision, tiny.model.device):
        decode(tiny.model, prompts, group, longest, [], greedy)
    _, prompt_tokens = prompt_lengths(tiny)
    cache = cache_bytes(shape, precision, len(prompts), prompt_tokens, group, longest)
    copy = copy_bytes(shape, precision)
    print(f"cache {precision}: formula / counted = {cache / max(caches):.4f}")
    print(f"copy {precision}: formula / counted = {copy / max(copies):.4f}")
    assert cache == pytest.approx(max(caches), rel=WITHIN)
    assert copy == pytest.approx(max(copies), rel=WITHIN)


def test_rooms_are_those_of_the_fixed_cache() -> None:
    assert fixed_batch.PROMPT_ROOM_STEP == PROMPT_ROOM_STEP


def test_a_growing_cache_is_copied() -> None:
    """Half of its keys or values at a time; the prompts' own states are more if prompts are long."""
    short, long = (50, 4096), (4096, 50)
    for tokens, by in ((short, 1.25), (long, 2.0)):
        cache = cache_bytes(B2, "fp32", 8, tokens[0], 1, tokens[1])
        beside = decoding_bytes(B2, "fp32", 8, tokens[0], 1, tokens[1]) - copy_bytes(B2, "fp32")
        assert beside / cache == pytest.approx(by, abs=0.02)


def test_the_fullest_row() -> None:
    lengths = Lengths(image_tokens=25, prompt_tokens=100, completions=4, completion_tokens=100)
    assert fullest_row(lengths, 16, 1000, encode_images=True) == Row(1000, 800, 200)
    assert fullest_row(lengths, 1, 1000, encode_images=True) == Row(500, 400, 100)
    assert fullest_row(lengths, 16, 1000, encode_images=False) == Row(1000, 800, 0)
    # A group longer than a row is divided into parts, each with the whole prompt and its picture.
    assert fullest_row(lengths, 16, 200, encode_images=True) == Row(200, 100, 100)
    assert fullest_row(lengths, 16, 120, encode_images=True) == Row(200, 100, 100)
    assert fullest_row(lengths, 1, 350, encode_images=True) == Row(300, 200, 100)
    alone = Lengths(image_tokens=25, prompt_tokens=100, completions=0, completion_tokens=0, learned=75)
    assert fullest_row(alone, 16, 80, encode_images=True) == Row(100, 75, 100)


def test_the_peak_of_the_2b_model() -> None:
    """As docs/gpu.md has it, but for the reference, which it has in fp32."""
    lengths = Lengths(187, 227, 8, 256)
    whole = training_memory(
        B2,
        fullest_row(lengths, 16, 8192, encode_images=True),
        precision="bf16",
        train_vision_tower=True,
        gradient_checkpointing=True,
        has_reference=True,
        decoding=0.0,
    )
    static = whole.weights + whole.gradients + whole.moments + reference_bytes(B2, "fp32", True)
    assert static / 1e9 == pytest.approx(44.2, abs=0.1)
    assert 45 < whole.peak / 1e9 < 58
