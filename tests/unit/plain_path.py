"""The plain path, which ours must equal: transformers' own model, a prompt repeated for each completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import Group
from othink_mr1.modeling.prompts import Prompt, PromptMaker
from tiny import Tiny, picture


def plain_inputs(tiny: Tiny, prompt: Prompt, completion: Sequence[int] = ()) -> dict[str, Tensor]:
    """What transformers' own forward takes, unpadded."""
    token_ids = torch.cat([prompt.token_ids, torch.tensor(list(completion), dtype=torch.long)])[None]
    return {
        "input_ids": token_ids,
        "attention_mask": torch.ones_like(token_ids),
        "mm_token_type_ids": (token_ids == tiny.model.config.image_token_id).long(),
        "pixel_values": prompt.pixel_values,
        "image_grid_thw": prompt.image_grid,
    }


def generated(
    tiny: Tiny, stock: Any, prompts: Sequence[Prompt], tokens: int, stops: list[int] | None = None
) -> list[list[int]]:
    """Greedy answers by transformers, one prompt at a time."""
    ends = {} if stops is None else {"eos_token_id": stops}
    return [
        stock.generate(**plain_inputs(tiny, prompt), max_new_tokens=tokens, do_sample=False, **ends)[
            0, len(prompt) :
        ].tolist()
        for prompt in prompts
    ]


def stock_model(tiny: Tiny) -> Qwen2VLForConditionalGeneration:
    """transformers' own model from the folder, without our attention function."""
    return Qwen2VLForConditionalGeneration.from_pretrained(tiny.folder, attn_implementation="sdpa").eval()


def plain_log_probabilities(
    tiny: Tiny, model: Any, prompt: Prompt, completion: Sequence[int], temperature: float = 1.0
) -> Tensor:
    """[tokens of the completion]."""
    logits = model(**plain_inputs(tiny, prompt, completion)).logits[0]
    logits = (logits / temperature).log_softmax(-1)
    return logits[len(prompt) - 1 : -1].gather(1, torch.tensor(list(completion))[:, None])[:, 0]


def random_groups(tiny: Tiny, shape: Sequence[tuple[tuple[int, int], str, Sequence[int]]]) -> list[Group]:
    """Groups of given (picture's width and height, question, completions' lengths); tokens are random."""
    generator = torch.Generator().manual_seed(5)
    maker = PromptMaker(tiny.model, tiny.processor)
    text_tokens = min(tiny.processor.tokenizer.added_tokens_decoder)  # special tokens come last
    groups = []
    for number, (size, question, lengths) in enumerate(shape):
        prompt = maker.make([picture(2 + number % 4, *size)], [question])[0]
        completions = [
            torch.randint(60, text_tokens, (length,), generator=generator).tolist() for length in lengths
        ]
        groups.append(Group(prompt, completions))
    return groups
