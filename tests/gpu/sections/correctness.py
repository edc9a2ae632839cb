"""Does the device compute what transformers' own model computes on the CPU? At real head sizes, few layers.

The plain path is the judge: stock attention, fp32, each prompt repeated for each completion, `generate`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessorList, Qwen2VLForConditionalGeneration

from gpu.backbones import make_model, make_pictures, make_processor, make_prompts, random_tokens
from gpu.record import Record
from gpu.shapes import Shapes
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.packed_rows import Group, PackedRow, pack
from othink_mr1.modeling.padded_attention import PaddedLayout
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.row_layout import row_layout
from othink_mr1.modeling.token_choice import ChooseToken, greedy
from othink_mr1.training.log_probabilities import completion_log_probabilities
from othink_mr1.training.sampling import Sampler, uniform_numbers

CPU = torch.device("cpu")
PICTURES = ((112, 112), (168, 112), (224, 112))  # of different numbers of image tokens
COMPLETIONS = (3, 17, 40)  # tokens of each prompt's completions, about
GROUP = 4
NEW_TOKENS = 40
# Rounding in fp32 is near 1e-6 on a CPU; products of other shapes on a GPU are a little worse.
FP32_BOUND = 2e-4
# bf16 has 8 bits: with log-probabilities of -8 and hidden states of order one.
BF16_BOUND = 0.2
GRADIENT_BOUND = 1e-3  # relative, of each weight's whole gradient
# One flipped token parts two completions; a broken kernel parts them all.
EQUAL_SHARE = 0.9


def run(record: Record, shapes: Shapes) -> None:
    """Compare log-probabilities, gradients, sampled and greedy tokens."""
    processor = make_processor()
    stock = make_model(shapes.correctness, processor, CPU)
    ours = copy.deepcopy(stock)
    use_own_kernels(ours)
    ours = ours.to(shapes.device)
    pictures = [make_pictures(1, size)[0] for size in PICTURES]
    prompts = make_prompts(stock, processor, pictures)
    groups = _groups(prompts, len(processor.tokenizer))
    wanted = [values for group in groups for values in _plain_log_probabilities(stock, group)]
    _compare_log_probabilities(record, shapes, ours, groups, wanted)
    _compare_gradients(record, shapes, stock, ours, groups, wanted)
    _compare_tokens(record, shapes, stock, ours, prompts, len(processor.tokenizer))
    _compare_decoding(record, shapes, ours, prompts, len(processor.tokenizer))


def _groups(prompts: Sequence[Prompt], vocabulary: int) -> list[Group]:
    """Each prompt with completions of random tokens; the last prompt has only one."""
    ordinary = vocabulary - 20  # special tokens stand last
    return [
        Group(prompt, [random_tokens(length + place, 10 * place + length, ordinary) for length in lengths])
        for place, (prompt, lengths) in enumerate(
            zip(prompts, (COMPLETIONS, COMPLETIONS, COMPLETIONS[-1:]), strict=True)
        )
    ]


def _plain_log_probabilities(stock: Qwen2VLForConditionalGeneration, group: Group) -> list[Tensor]:
    """Per completion [tokens], each in a forward of its own; with gradient if the model has."""
    found = []
    for completion in group.completions:
        inputs = _plain_inputs(stock, group.prompt, completion)
        logits = stock(**inputs).logits[0].log_softmax(-1)
        targets = torch.tensor(completion)[:, None]
        found.append(logits[len(group.prompt) - 1 : -1].gather(1, targets)[:, 0])
    return found


def _plain_inputs(
    stock: Qwen2VLForConditionalGeneration, prompt: Prompt, completion: Sequence[int], copies: int = 1
) -> dict[str, Tensor]:
    token_ids = torch.cat([prompt.token_ids, torch.tensor(completion, dtype=torch.long)]).expand(copies, -1)
    in_prompt = torch.arange(token_ids.shape[1]) < len(prompt)
    return {
        "input_ids": token_ids,
        "attention_mask": torch.ones_like(token_ids),
        "mm_token_type_ids": ((token_ids == stock.config.image_token_id) & in_prompt).long(),
        "pixel_values": prompt.pixel_values.repeat(copies, 1),
        "image_grid_thw": prompt.image_grid.repeat(copies, 1),
    }


def _rows(groups: Sequence[Group], device: torch.device) -> dict[str, PackedRow]:
    """The packed row by the device's kernel, and on the CPU also by the kernel that is the GPU's."""
    row = pack(groups, device)
    if device.type == "cuda":
        return {"": row}
    layout = row_layout([(len(group.prompt), [len(c) for c in group.completions]) for group in groups])
    return {"": row, "_padded": replace(row, attention=PaddedLayout.of(layout, device))}


@torch.no_grad()
def _compare_log_probabilities(
    record: Record,
    shapes: Shapes,
    ours: Qwen2VLForConditionalGeneration,
    groups: Sequence[Group],
    wanted: Sequence[Tensor],
) -> None:
    for kernel, row in _rows(groups, shapes.device).items():
        for precision, bound in (("fp32", FP32_BOUND), ("bf16", BF16_BOUND)):
            with autocast(precision, shapes.device):
                packed = completion_log_probabilities(ours, row).cpu()
            distances = [
                float((own[: len(values)] - values).abs().max())
                for own, values in zip(packed, wanted, strict=True)
            ]
            record.at_most(bound, **{f"log_probability_difference_{precision}{kernel}": max(distances)})


def _compare_gradients(
    record: Record,
    shapes: Shapes,
    stock: Qwen2VLForConditionalGeneration,
    ours: Qwen2VLForConditionalGeneration,
    groups: Sequence[Group],
    wanted: Sequence[Tensor],
) -> None:
    """Of the sum of all log-probabilities, each completion weighted by another number."""
    torch.stack([weight * values.sum() for weight, values in enumerate(wanted, 1)]).sum().backward()
    plain = {name: weight.grad.clone() for name, weight in stock.named_parameters()}
    stock.zero_grad()
    for kernel, row in _rows(groups, shapes.device).items():
        first, second = _packed_gradients(ours, row), _packed_gradients(ours, row)
        distances = {
            name: float((first[name].cpu() - wanted).norm() / (wanted.norm() + 1e-9))
            for name, wanted in plain.items()
        }
        worst = max(distances, key=lambda name: distances[name])
        record.note(**{f"gradient_difference_worst_in{kernel}": worst})
        record.at_most(GRADIENT_BOUND, **{f"gradient_difference_fp32{kernel}": distances[worst]})
        same = all(torch.equal(first[name], second[name]) for name in first)
        if shapes.device.type == "cpu":
            record.true(**{f"gradient_twice_the_same{kernel}": same})
        else:  # some of torch's backward kernels add in any order there
            record.note(**{f"gradient_twice_the_same{kernel}": same})


def _packed_gradients(ours: Qwen2VLForConditionalGeneration, row: PackedRow) -> dict[str, Tensor]:
    ours.zero_grad()
    values = completion_log_probabilities(ours, row)
    weights = torch.arange(1, len(values) + 1, device=values.device)
    (values.sum(dim=1) * weights).sum().backward()
    found = {name: weight.grad.clone() for name, weight in ours.named_parameters()}
    ours.zero_grad()
    return found


def _compare_tokens(
    record: Record,
    shapes: Shapes,
    stock: Qwen2VLForConditionalGeneration,
    ours: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    vocabulary: int,
) -> None:
    """Sampled in groups; sampled with prompts that take the places of ended ones; greedy."""
    rows = stock.config.text_config.vocab_size
    uniform = uniform_numbers(1, 1, len(prompts), GROUP, NEW_TOKENS)
    never = [stock.config.image_token_id, stock.config.video_token_id]
    # Every 16th token ends a completion, so that ended ones leave the batch at all times.
    stops = list(range(5, vocabulary, 16))

    def sampler(device: torch.device) -> Sampler:
        return Sampler(uniform.to(device), 1.0, 50, never, vocabulary, rows)

    def sampled() -> list[list[int]]:
        return decode(ours, prompts, GROUP, NEW_TOKENS, stops, sampler(shapes.device))

    def compare(name: str, own: list[list[int]], plain: list[list[int]]) -> None:
        record.note(**{f"{name}_lengths": sorted(map(len, own))})
        equal = sum(a == b for a, b in zip(own, plain, strict=True)) / len(own)
        record.at_least(EQUAL_SHARE, **{f"{name}_equal_share": equal})

    first = sampled()
    compare("sampled", first, _plain_tokens(stock, prompts, GROUP, stops, sampler(CPU)))
    record.true(sampled_twice_the_same=first == sampled())
    many = list(prompts) * GROUP
    refilled = decode(ours, many, 1, NEW_TOKENS, stops, sampler(shapes.device), prompts_at_a_time=3)
    compare("refilled", refilled, _plain_tokens(stock, many, 1, stops, sampler(CPU)))
    answers = decode(ours, prompts, 1, NEW_TOKENS, [], greedy)
    compare("greedy", answers, _plain_tokens(stock, prompts, 1, [], greedy))


@torch.no_grad()
def _compare_decoding(
    record: Record,
    shapes: Shapes,
    ours: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    vocabulary: int,
) -> None:
    """The log-probabilities with which tokens were sampled in bf16, against those of packed rows.

    On a GPU this is the fixed cache and the replayed graph; prompts take the places of ended ones.
    """
    rows = ours.config.text_config.vocab_size
    many = list(prompts) * 3
    uniform = uniform_numbers(2, 1, len(many), GROUP, NEW_TOKENS).to(shapes.device)
    stops = list(range(5, vocabulary, 16))
    never = [ours.config.image_token_id, ours.config.video_token_id]
    sampler = Sampler(uniform, 1.0, 0, never, vocabulary, rows)
    noted = torch.zeros(len(many) * GROUP, NEW_TOKENS, device=shapes.device)

    def choose(logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
        chosen = sampler(logits, sequences, steps)
        noted[sequences, steps] = logits.log_softmax(-1).gather(1, chosen[:, None])[:, 0]
        return chosen

    with autocast("bf16", shapes.device):
        completions = decode(ours, many, GROUP, NEW_TOKENS, stops, choose, prompts_at_a_time=4)
        again = decode(ours, many, GROUP, NEW_TOKENS, stops, sampler, prompts_at_a_time=4)
        groups = [
            Group(prompt, completions[place * GROUP : (place + 1) * GROUP])
            for place, prompt in enumerate(many)
        ]
        packed = completion_log_probabilities(ours, pack(groups, shapes.device))
    distances = [
        float((packed[place, : len(tokens)] - noted[place, : len(tokens)]).abs().max())
        for place, tokens in enumerate(completions)
    ]
    record.at_most(BF16_BOUND, sampled_log_probability_difference_bf16=max(distances))
    record.note(sampled_log_probability_difference_bf16_mean=sum(distances) / len(distances))
    record.true(sampled_in_bf16_twice_the_same=completions == again)


def _plain_tokens(
    stock: Qwen2VLForConditionalGeneration,
    prompts: Sequence[Prompt],
    group: int,
    stops: Sequence[int],
    choose: ChooseToken,
) -> list[list[int]]:
    """What transformers' `generate` gives if `choose` chooses its tokens."""
    found = []
    for place, prompt in enumerate(prompts):
        sequences = torch.arange(group) + place * group

        def only_chosen(
            token_ids: Tensor, scores: Tensor, sequences: Tensor = sequences, prompt: Prompt = prompt
        ) -> Tensor:
            step = torch.full_like(sequences, token_ids.shape[1] - len(prompt))
            chosen = choose(scores, sequences, step)
            return torch.full_like(scores, -torch.inf).scatter_(1, chosen[:, None], 0.0)

        processors: Any = LogitsProcessorList([only_chosen])
        whole = stock.generate(
            **_plain_inputs(stock, prompt, [], group),
            do_sample=False,
            max_new_tokens=NEW_TOKENS,
            eos_token_id=list(stops) or None,
            pad_token_id=0,
            logits_processor=processors,
        )
        found += [_until_stop(tokens[len(prompt) :].tolist(), stops) for tokens in whole]
    return found


def _until_stop(tokens: list[int], stops: Sequence[int]) -> list[int]:
    ends = [place for place, token in enumerate(tokens) if token in stops]
    return tokens[: ends[0] + 1] if ends else tokens
