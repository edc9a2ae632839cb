"""Rollouts: what is sampled, from which streams, and how completions end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from othink_mr1.modeling.processor import stop_tokens
from othink_mr1.modeling.tokenizer import SPECIAL_TOKENS
from othink_mr1.training.rollout import roll_out
from othink_mr1.training.sampling import Sampler, tokens_never_sampled, uniform_numbers
from tiny import Tiny, grpo_settings


def test_sampling_follows_the_probabilities() -> None:
    probabilities = torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05])
    draws = 20_000
    uniform = uniform_numbers(0, 0, 1, 1, draws).T  # [draws, 1]
    sampler = Sampler(uniform, temperature=1.0, top_k=0, never=[], tokenizer_length=5, vocabulary=5)
    tokens = sampler(
        probabilities.log().expand(draws, -1), torch.arange(draws), torch.zeros(draws, dtype=torch.long)
    )
    frequencies = torch.bincount(tokens, minlength=5) / draws
    # Four standard errors of a share are 0.014 at most.
    assert torch.allclose(frequencies, probabilities, atol=0.015)
    assert frequencies[1] == 0


def test_temperature_and_top_k() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    draws = 20_000
    uniform = uniform_numbers(0, 0, 1, 1, draws).T
    sampler = Sampler(uniform, temperature=2.0, top_k=2, never=[], tokenizer_length=4, vocabulary=4)
    tokens = sampler(logits.expand(draws, -1), torch.arange(draws), torch.zeros(draws, dtype=torch.long))
    expected = torch.tensor([1.0, 0.5]).softmax(0)  # the two likeliest, logits halved
    frequencies = torch.bincount(tokens, minlength=4) / draws
    assert torch.allclose(frequencies, torch.cat([expected, torch.zeros(2)]), atol=0.015)


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_what_must_not_be_sampled_never_is(uniform: float) -> None:
    logits = torch.tensor([[50.0, 0.0, 1.0, 60.0]])  # the likeliest: a placeholder, and no token at all
    sampler = Sampler(
        torch.tensor([[uniform]], dtype=torch.float64), 1.0, 0, never=[0], tokenizer_length=3, vocabulary=4
    )
    assert sampler(logits, torch.tensor([0]), torch.tensor([0])).item() in (1, 2)


def test_placeholders_are_suppressed_in_rollouts(tiny: Tiny, prompts) -> None:
    tokenizer = tiny.processor.tokenizer
    never = tokens_never_sampled(list(tokenizer.added_tokens_decoder), stop_tokens(tiny.processor))
    assert sorted(tokenizer.convert_ids_to_tokens(never)) == sorted(
        set(SPECIAL_TOKENS) - {"<|im_end|>", "<|endoftext|>"}
    )
    # A model that wants nothing but placeholders: its output bias is in the embeddings (tied weights).
    with torch.no_grad():
        tiny.model.model.language_model.norm.weight.zero_()
    settings = grpo_settings(max_completion_tokens=40, group_size=8)  # all tokens are equally likely
    rollout = roll_out(tiny.model, tiny.processor, prompts, settings, seed=1, step=1)
    sampled = {token for completion in rollout.completions for token in completion}
    assert len(sampled) > 100
    assert not sampled & set(never)


def test_rollout_really_samples_and_reproducibly(tiny: Tiny, prompts) -> None:
    settings = grpo_settings()

    def tokens(**changes):
        arguments = {"seed": 1, "step": 1} | changes
        return roll_out(tiny.model, tiny.processor, prompts, settings, **arguments).completions

    first = tokens()
    assert len({tuple(completion) for completion in first}) == len(first) == 8  # no two alike
    assert tokens() == first
    assert tokens(seed=2) != first
    assert tokens(step=2) != first


def test_a_completion_does_not_depend_on_its_batch(tiny: Tiny, prompts) -> None:
    both = roll_out(tiny.model, tiny.processor, prompts, grpo_settings(), seed=5, step=3)
    alone = roll_out(tiny.model, tiny.processor, prompts[:1], grpo_settings(group_size=2), seed=5, step=3)
    assert alone.completions == both.completions[:2]


def test_streams_are_each_completions_own() -> None:
    numbers = uniform_numbers(3, 4, 2, 3, 5)
    assert numbers.shape == (6, 5)
    assert len(np.unique(numbers.numpy())) == 30
    assert torch.equal(numbers[1], uniform_numbers(3, 4, 1, 2, 5)[1])  # prompt 0, completion 1
    assert torch.equal(numbers[3, :2], uniform_numbers(3, 4, 2, 1, 2)[1])  # prompt 1, completion 0


def test_ends_of_completions(tiny: Tiny, prompts) -> None:
    end, end_of_text = stop_tokens(tiny.processor)
    with torch.no_grad():  # every token is equally likely, so that some completions end by chance
        tiny.model.model.language_model.norm.weight.zero_()
    settings = grpo_settings(group_size=32, max_completion_tokens=60)
    rollout = roll_out(tiny.model, tiny.processor, prompts, settings, seed=2, step=1)
    assert len(rollout.completions) == len(rollout.texts) == 64
    assert rollout.owners == [0] * 32 + [1] * 32
    assert 0 < sum(rollout.truncated) < 64
    for completion, text, truncated in zip(
        rollout.completions, rollout.texts, rollout.truncated, strict=True
    ):
        assert (len(completion) == 60) if truncated else completion[-1] in (end, end_of_text)
        assert not set(completion[:-1]) & {end, end_of_text}
        assert "<|" not in text
