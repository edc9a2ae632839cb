"""Rollout: a group of sampled completions for every prompt of a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.config.methods import GRPO
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.processor import Qwen2VLProcessor, stop_tokens
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.training.sampling import Sampler, tokens_never_sampled, uniform_numbers


@dataclass(frozen=True)
class Rollout:
    """prompts x group completions, a group's next to each other."""

    completions: list[list[int]]  # token ids, including the stop token
    texts: list[str]  # without special tokens
    owners: list[int]  # index of each completion's prompt
    truncated: list[bool]  # no stop token within max_completion_tokens


def roll_out(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    prompts: Sequence[Prompt],
    settings: GRPO,
    seed: int,
    step: int,
    before: int = 0,
) -> Rollout:
    """Sample settings.group_size completions per prompt; seed and step determine the random streams.

    before: how many of the step's prompts other processes have before these.
    """
    tokenizer = processor.tokenizer
    stops = stop_tokens(processor)
    uniform = uniform_numbers(
        seed, step, len(prompts), settings.group_size, settings.max_completion_tokens, before
    )
    sampler = Sampler(
        uniform.to(model.device),
        settings.temperature,
        settings.top_k,
        tokens_never_sampled(list(tokenizer.added_tokens_decoder), stops),
        len(tokenizer),
        model.config.text_config.vocab_size,
    )
    completions = decode(model, prompts, settings.group_size, settings.max_completion_tokens, stops, sampler)
    return Rollout(
        completions=completions,
        texts=tokenizer.batch_decode(
            completions, skip_special_tokens=True, clean_up_tokenization_spaces=False
        ),
        owners=[index // settings.group_size for index in range(len(completions))],
        truncated=[completion[-1] not in stops for completion in completions],
    )
