"""Decoding: completions of prompts, token by token, for rollouts (sampled) and evaluation (greedy).

Each prompt is computed once, in a packed row, and its keys and values are shared by its completions.
Sequences that have ended leave the batch, and waiting prompts take their places. We do not use `generate`,
because it repeats the prompt for every completion, pads, and draws from one random stream for the whole
batch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import torch
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.batch import Batch
from othink_mr1.modeling.fixed_batch import FixedBatch
from othink_mr1.modeling.precision import products_dtype
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.shrinking_batch import ShrinkingBatch
from othink_mr1.modeling.token_choice import ChooseToken
from othink_mr1.modeling.varlen_attention import flash_takes

# Computing new prompts has a fixed cost, so wait until this fraction of the places is free.
REFILL_FROM = 1 / 8


def decode(
    model: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    group_size: int,
    max_new_tokens: int,
    stop_tokens: Sequence[int],
    choose_token: ChooseToken,
    prompts_at_a_time: int | None = None,
) -> list[list[int]]:
    """Continue every prompt group_size times; by default all prompts at a time.

    Returns prompts x group_size token lists, the completions of a prompt next to each other. Each ends with a
    stop token, or has max_new_tokens tokens.
    """
    completions: list[list[int]] = [[] for _ in range(len(prompts) * group_size)]
    at_a_time = prompts_at_a_time or len(prompts)
    for sequence, tokens in decode_as_they_end(
        model, prompts, group_size, max_new_tokens, stop_tokens, choose_token, at_a_time
    ):
        completions[sequence] = tokens
    return completions


@torch.inference_mode()
def decode_as_they_end(
    model: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    group_size: int,
    max_new_tokens: int,
    stop_tokens: Sequence[int],
    choose_token: ChooseToken,
    prompts_at_a_time: int,
) -> Iterator[tuple[int, list[int]]]:
    """As decode, but yields each sequence's number and tokens when it ends.

    Each prompt is indexed once, when there is room for it, so `prompts` may compute it lazily.
    """
    assert not model.training, "layers drop the cache in training mode with gradient checkpointing"
    kind: type[Batch] = (
        FixedBatch if flash_takes(model.device, products_dtype(model.device)) else ShrinkingBatch
    )
    batch = kind(
        model, min(prompts_at_a_time, len(prompts)), group_size, max_new_tokens, stop_tokens, choose_token
    )
    waiting = deque(range(len(prompts)))
    while waiting or batch:
        if waiting and batch.free_share >= REFILL_FROM:
            admitted = [waiting.popleft() for _ in range(min(len(waiting), batch.free))]
            batch.admit(admitted, [prompts[index] for index in admitted])
        else:
            batch.step()
        yield from batch.remove_ended(may_shrink=not waiting)
