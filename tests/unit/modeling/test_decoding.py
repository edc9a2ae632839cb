"""Decoding: the tokens of transformers' generate, shared prompts, places that are refilled and given up."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from plain_path import generated, plain_inputs

from othink_mr1.data.examples import Example
from othink_mr1.evaluation.generate import answer
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.evaluation.kept_answers import Completion
from othink_mr1.modeling import prefill, shrinking_batch, token_step
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.processor import stop_tokens
from othink_mr1.modeling.prompts import PromptMaker
from othink_mr1.modeling.shared_prompt_cache import SharedPromptCache
from othink_mr1.modeling.skinny_product import SkinnyProduct
from othink_mr1.modeling.token_choice import greedy
from tiny import QUESTIONS, Tiny, picture


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("at_a_time", [None, 5, 1], ids=["all at once", "refilled", "one by one"])
def test_greedy_decoding_equals_generate(
    lively, several, answers_of_several, at_a_time, threads: int
) -> None:
    tiny, _ = lively
    before = torch.get_num_threads()
    torch.set_num_threads(threads)  # products of few rows are made in another way
    try:
        mine = decode(tiny.model, several, 1, 70, answers_of_several.stops, greedy, at_a_time)
    finally:
        torch.set_num_threads(before)
    assert mine == answers_of_several.tokens
    assert len({len(tokens) for tokens in mine}) > 5  # answers of one length would refill all at once
    assert len({tuple(tokens) for tokens in mine}) > 8  # a test on equal answers would see little


def test_a_group_of_greedy_completions_equals_generate(lively, several) -> None:
    tiny, stock = lively
    expected = generated(tiny, stock, several[:4], 40)
    mine = decode(tiny.model, several[:4], 3, 40, stop_tokens(tiny.processor), greedy)
    assert mine == [tokens for tokens in expected for _ in range(3)]
    refilled = decode(tiny.model, several[:4], 3, 40, stop_tokens(tiny.processor), greedy, 2)
    assert refilled == mine


def to_evaluate() -> list[Example]:
    sizes = ((56, 56), (112, 84))
    return [
        Example(str(n), picture(n % 5, *sizes[n % 2]), f"{n} and {QUESTIONS[n % 2]}", "1", None)
        for n in range(9)
    ]


@pytest.fixture(scope="module")
def evaluated(_lively) -> Callable[[float], list[str]]:
    """The answers of transformers' generate, by repetition penalty."""
    tiny, stock = _lively

    @functools.cache
    def texts(penalty: float) -> list[str]:
        maker = PromptMaker(tiny.model, tiny.processor)
        prompts = [
            maker.make([example.image], [f"{example.question} Answer."])[0] for example in to_evaluate()
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stock.generation_config, "repetition_penalty", penalty)
            tokens = generated(tiny, stock, prompts, 50)
        return tiny.processor.tokenizer.batch_decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    return texts


@pytest.mark.parametrize(("penalty", "settled"), [(1.0, True), (1.05, True), (1.3, True), (1.3, False)])
def test_evaluation_equals_generate(lively, evaluated, penalty: float, settled: bool, monkeypatch) -> None:
    """With the checkpoint's repetition penalty: Qwen2-VL-7B-Instruct and Qwen2.5-VL have 1.05."""
    tiny, _ = lively
    monkeypatch.setattr(tiny.model.generation_config, "repetition_penalty", penalty)
    if settled:  # every token alone: the penalty must hold there, too
        monkeypatch.setattr("othink_mr1.modeling.settled_greedy.NEAR", 1e9)
    examples = to_evaluate()
    task = GenerationTask(name="counting", prompt="{question} Answer.", max_new_tokens=50)
    mine = [""] * len(examples)

    def answered(place: int, completion: Completion) -> None:
        mine[place] = completion.completion

    answer(tiny.model, tiny.processor, examples, task, 4, "fp32", answered)
    assert mine == evaluated(penalty)
    assert len(set(mine)) > 5


def test_a_single_token_and_prompts_in_several_rows(lively, several, monkeypatch) -> None:
    tiny, stock = lively
    monkeypatch.setattr(prefill, "PREFILL_TOKENS", 100)
    expected = generated(tiny, stock, several, 1)
    assert decode(tiny.model, several, 1, 1, stop_tokens(tiny.processor), greedy) == expected
    assert decode(tiny.model, several, 1, 1, stop_tokens(tiny.processor), greedy, 5) == expected


def test_prompts_are_made_when_there_is_a_place(tiny: Tiny, several) -> None:
    end = stop_tokens(tiny.processor)[0]
    asked: list[int] = []

    class Watched(list):
        def __getitem__(self, index):
            asked.append(index)
            return super().__getitem__(index)

    seen: list[int] = []

    def choose(logits, sequences, steps):
        seen.append(len(asked))
        return torch.where(steps == 3, end, 70)

    decode(tiny.model, Watched(several), 1, 9, [end], choose, prompts_at_a_time=4)
    assert asked == list(range(20))
    assert seen[0] == 4
    assert seen[-1] == 20


def test_decoding_stops_at_stop_tokens_and_drops_the_ended(tiny: Tiny, prompts) -> None:
    end = stop_tokens(tiny.processor)[0]
    lengths = torch.tensor([3, 1, 5, 4])  # by sequence: two prompts, two completions each
    batches: list[list[int]] = []

    def choose(logits, sequences, steps):
        batches.append(sequences.tolist())
        return torch.where(steps == lengths[sequences] - 1, end, 70 + sequences)

    tokens = decode(tiny.model, prompts, 2, 4, stop_tokens(tiny.processor), choose)
    assert tokens == [[70, 70, end], [end], [72, 72, 72, 72], [73, 73, 73, end]]
    assert batches == [[0, 1, 2, 3], [0, 2, 3], [0, 2, 3], [2, 3]]


@pytest.mark.parametrize("shrink_from", [0.0, 2.0], ids=["always shrunk", "never shrunk"])
def test_what_others_do_leaves_a_sequence_alone(tiny: Tiny, several, shrink_from: float, monkeypatch) -> None:
    """Logits of two sequences, while others end at different times and new prompts come in, or do not.

    In fp64: these weights multiply fp32's rounding to 2e-4 on some processors, as much as a small fault.
    """
    _compute_in_fp64(tiny, monkeypatch)
    monkeypatch.setattr(shrinking_batch, "SHRINK_FROM", shrink_from)
    end = stop_tokens(tiny.processor)[0]
    watched = (1, 7)  # of different prompts, so that padding and positions differ

    def logits_of(prompts, at_a_time: int, ending: bool) -> dict[tuple[int, int], torch.Tensor]:
        seen = {}

        def choose(logits, sequences, steps):
            for row, (sequence, step) in enumerate(zip(sequences.tolist(), steps.tolist(), strict=True)):
                if sequence in watched:
                    seen[sequence, step] = logits[row].clone()
            ends = (steps == sequences % 5) & ~torch.isin(sequences, torch.tensor(watched))
            return torch.where(ends & ending, end, 70 + sequences % 20 + steps)

        decode(tiny.model, prompts, 2, 70, [end], choose, at_a_time)
        return seen

    undisturbed = logits_of(several[:4], 4, ending=False)
    disturbed = logits_of(several, 4, ending=True)
    assert len(undisturbed) == len(disturbed) == 140
    for key, logits in undisturbed.items():
        assert torch.allclose(logits, disturbed[key], rtol=0, atol=1e-11), key


def _compute_in_fp64(tiny: Tiny, monkeypatch) -> None:
    """Decoding computes in fp32 by name in these places, whatever the weights' type."""
    tiny.model.double()
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    monkeypatch.setattr(SharedPromptCache, "dtype", torch.float64)
    monkeypatch.setattr(token_step, "products_dtype", lambda device: torch.float64)


@pytest.mark.parametrize("outputs", [256, 2048, 72, 50])
@pytest.mark.parametrize("threads", [1, 2])
def test_products_of_few_rows(outputs: int, threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        x, weight = torch.randn(5, 64), torch.randn(outputs, 64)
        assert torch.allclose(SkinnyProduct(weight, torch.float32)(x), x @ weight.T, atol=1e-4)
    finally:
        torch.set_num_threads(before)


def test_bf16_decoding_is_as_near_to_fp32_as_transformers_bf16(lively, several, monkeypatch) -> None:
    tiny, stock = lively
    text = [70 + n for n in range(20)]

    def ours(precision: str) -> torch.Tensor:
        seen = []

        def choose(logits, sequences, steps):
            seen.append(logits[0])
            return torch.tensor(text)[steps]

        with autocast(precision, tiny.model.device):
            decode(tiny.model, several[1:2], 1, len(text), [-1], choose)
        return torch.stack(seen).log_softmax(-1)

    def theirs(precision: str) -> torch.Tensor:
        with torch.no_grad(), autocast(precision, tiny.model.device):
            logits = stock(**plain_inputs(tiny, several[1], text)).logits[0]
        return logits[len(several[1]) - 1 : -1].float().log_softmax(-1)

    exact = theirs("fp32")
    assert torch.allclose(ours("fp32"), exact, atol=1e-4)
    seen_types = set()
    original = SharedPromptCache.attend

    def attend(self, *arguments):
        attended = original(self, *arguments)
        seen_types.add(attended.dtype)
        return attended

    monkeypatch.setattr(SharedPromptCache, "attend", attend)
    ours("bf16")
    assert seen_types == {torch.float32}  # autocast would round its scores
    error, transformers_error = ((values - exact).norm() for values in (ours("bf16"), theirs("bf16")))
    assert 1e-3 < error < 1.5 * transformers_error
