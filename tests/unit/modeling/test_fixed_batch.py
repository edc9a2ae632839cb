"""Decoding as on a GPU in bf16, but without the graph: the same tokens as on a CPU."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import plain_flash
from othink_mr1.modeling import decoding, fixed_batch, varlen_attention
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.fixed_batch import CHECK_EVERY
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.token_choice import greedy
from othink_mr1.training.sampling import Sampler, uniform_numbers
from tiny import Tiny


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Call it with whether decoding is to be the GPU's."""
    plain_flash.use(monkeypatch, varlen_attention)

    def switch(on: bool) -> None:
        monkeypatch.setattr(decoding, "flash_takes", lambda device, dtype: on)

    switch(True)
    return switch


@pytest.mark.parametrize("at_a_time", [None, 5, 1], ids=["all at once", "refilled", "one by one"])
def test_greedy_answers_equal_generate(lively, several, answers_of_several, at_a_time, as_on_a_gpu) -> None:
    tiny, _ = lively
    mine = decode(tiny.model, several, 1, 70, answers_of_several.stops, greedy, at_a_time)
    assert mine == answers_of_several.tokens
    assert len({len(tokens) for tokens in mine}) > 5


@pytest.mark.parametrize("longest", [1, 2, CHECK_EVERY, CHECK_EVERY + 1, 40])
@pytest.mark.parametrize("at_a_time", [None, 3], ids=["all at once", "refilled"])
def test_sampled_completions_are_those_of_the_growing_cache(
    lively,
    several,
    longest: int,
    at_a_time: int | None,
    as_on_a_gpu,
) -> None:
    tiny, _ = lively
    vocabulary = tiny.model.config.text_config.vocab_size
    stops = list(range(5, vocabulary, 16))

    def sampled() -> list[list[int]]:
        uniform = uniform_numbers(1, 1, 6, 4, longest)
        sampler = Sampler(uniform, 1.0, 50, [], vocabulary, vocabulary)
        return decode(tiny.model, several[:6], 4, longest, stops, sampler, at_a_time)

    ours = sampled()
    as_on_a_gpu(False)
    assert ours == sampled()
    assert longest < 3 or len({len(tokens) for tokens in ours}) > 1


def test_a_longer_prompt_gets_room_while_others_are_decoded(
    lively,
    several,
    answers_of_several,
    as_on_a_gpu,
    monkeypatch,
) -> None:
    tiny, _ = lively
    monkeypatch.setattr(fixed_batch, "PROMPT_ROOM_STEP", 1)
    order = sorted(range(len(several)), key=lambda place: len(several[place]))
    ordered = [several[place] for place in order]
    assert len(ordered[-1]) > len(ordered[0])
    made: list[int] = []
    original = fixed_batch.FixedCache

    def counted(*arguments: Any) -> Any:
        made.append(arguments[5])
        return original(*arguments)

    monkeypatch.setattr(fixed_batch, "FixedCache", counted)
    mine = decode(tiny.model, ordered, 1, 40, answers_of_several.stops, greedy, 5)
    assert mine == [answers_of_several.tokens[place][:40] for place in order]
    assert len(made) > 2
    assert made == sorted(made)


def test_bf16_keys_are_as_near_to_fp32_as_the_cpu_s(lively, several, as_on_a_gpu) -> None:
    tiny, _ = lively
    text = [70 + n for n in range(20)]

    def logits(precision: str) -> Tensor:
        seen = []

        def choose(logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
            seen.append(logits[0])
            return torch.tensor(text)[steps]

        with autocast(precision, tiny.model.device):
            decode(tiny.model, several[1:2], 1, len(text), [-1], choose)
        return torch.stack(seen).log_softmax(-1)

    exact = logits("fp32")
    ours = (logits("bf16") - exact).norm()
    as_on_a_gpu(False)
    assert 1e-3 < ours < 2 * (logits("bf16") - exact).norm()


def test_a_check_for_ended_sequences_is_rare(tiny: Tiny, prompts, as_on_a_gpu, monkeypatch) -> None:
    """Every check waits for the GPU."""
    checks: list[int] = []  # of the four sequences; others ask for non-zero values too
    original = Tensor.nonzero

    def nonzero(self: Tensor, *rest: Any, **more: Any) -> Tensor:
        if len(self) == 4:
            checks.append(1)
        return original(self, *rest, **more)

    monkeypatch.setattr(Tensor, "nonzero", nonzero)
    decode(tiny.model, prompts, 2, 33, [], greedy)
    assert len(checks) == 32 // CHECK_EVERY


def test_its_memory_is_free_when_decoding_has_ended(tiny: Tiny, prompts, as_on_a_gpu, monkeypatch) -> None:
    """Without a collection of cycles: on a GPU these are gigabytes."""
    made = []
    original = fixed_batch.FixedCache

    def kept(*arguments: Any) -> Any:
        cache = original(*arguments)
        made.append(weakref.ref(cache))
        return cache

    monkeypatch.setattr(fixed_batch, "FixedCache", kept)
    gc.disable()
    try:
        decode(tiny.model, prompts, 2, 9, [], greedy)
        assert made[0]() is None
    finally:
        gc.enable()
