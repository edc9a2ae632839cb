"""Packed rows against the plain path: log-probabilities and gradients, whatever the shape of the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from plain_path import plain_inputs, plain_log_probabilities, random_groups, stock_model
from torch import Tensor

import plain_flash
from othink_mr1.modeling import packed_attention, packed_rows, varlen_attention
from othink_mr1.modeling.frozen_images import FrozenImages
from othink_mr1.modeling.packed_rows import Group, fill_rows, pack
from othink_mr1.modeling.padded_attention import PaddedLayout
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.row_layout import row_layout
from othink_mr1.modeling.varlen_attention import VarlenLayout
from othink_mr1.training import log_probabilities
from othink_mr1.training.log_probabilities import completion_log_probabilities
from tiny import QUESTIONS, Tiny

SHORT, LONG = QUESTIONS
# (picture's width and height, question, completions' lengths) of each group
SHAPES = {
    "one prompt, equal lengths": [((56, 56), SHORT, [6] * 4)],
    "ragged lengths": [((56, 56), SHORT, [1, 17, 3, 9]), ((56, 56), LONG, [2, 2, 30, 5])],
    "pictures of different sizes": [
        ((112, 84), SHORT, [4, 7]),
        ((56, 56), LONG, [5, 3]),
        ((28, 140), LONG, [8, 2]),
    ],
    "large picture, short answers": [((252, 224), SHORT, [2, 1, 3])],
    "long answers": [((56, 56), SHORT, [130, 60, 180]), ((56, 56), LONG, [10, 150, 70])],
    "SFT: one completion each": [((56, 56), SHORT, [12]), ((84, 56), LONG, [30]), ((56, 84), SHORT, [1])],
    "groups of different sizes": [
        ((56, 56), SHORT, [4]),
        ((56, 56), LONG, [5, 9, 2, 8, 3]),
        ((56, 56), LONG, [7, 1]),
    ],
    "single tokens": [((56, 56), SHORT, [1] * 8), ((56, 56), LONG, [1] * 8)],
}
TEMPERATURE = 0.9


def coefficients(groups: Sequence[Group]) -> list[Tensor]:
    """The derivative of some loss by each log-probability, per completion."""
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randn(len(completion), generator=generator)
        for group in groups
        for completion in group.completions
    ]


def plain(tiny: Tiny, groups: Sequence[Group]) -> tuple[list[Tensor], Tensor]:
    """Log-probabilities per completion and the whole gradient, by the plain path."""
    model = stock_model(tiny)
    pairs = [(group.prompt, completion) for group in groups for completion in group.completions]
    values = [plain_log_probabilities(tiny, model, *pair, TEMPERATURE) for pair in pairs]
    sum((v * c).sum() for v, c in zip(values, coefficients(groups), strict=True)).backward()
    return [value.detach() for value in values], gradient(model, tiny)


def packed(tiny: Tiny, groups: Sequence[Group], row_tokens: int = 10**6) -> tuple[list[Tensor], Tensor]:
    """The same by packed rows."""
    values: list[Tensor] = []
    for row_groups in fill_rows(groups, row_tokens):
        row = pack(row_groups, tiny.model.device)
        padded = completion_log_probabilities(tiny.model, row, TEMPERATURE)
        own = [v[:length] for v, length in zip(padded, row.completion_lengths, strict=True)]
        assert all(not v[length:].any() for v, length in zip(padded, row.completion_lengths, strict=True))
        part = coefficients(groups)[len(values) : len(values) + len(own)]
        sum((v * c).sum() for v, c in zip(own, part, strict=True)).backward()
        values += [value.detach() for value in own]
    return values, gradient(tiny.model, tiny)


def gradient(model: torch.nn.Module, tiny: Tiny) -> Tensor:
    """Of all weights, in tiny's order."""
    return torch.cat([model.get_parameter(name).grad.flatten() for name, _ in tiny.model.named_parameters()])


def assert_equal(ours: tuple[list[Tensor], Tensor], theirs: tuple[list[Tensor], Tensor]) -> None:
    for mine, other in zip(ours[0], theirs[0], strict=True):
        assert (mine - other).abs().max() < 1e-5
    assert (ours[1] - theirs[1]).norm() < 1e-5 * theirs[1].norm()


@pytest.mark.parametrize("gradient_checkpointing", [False, True], ids=["", "checkpointing"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_packed_rows_equal_the_plain_path(tiny: Tiny, shape: list, gradient_checkpointing: bool) -> None:
    groups = random_groups(tiny, shape)
    if gradient_checkpointing:
        tiny.model.activation_checkpointing_enable({"use_reentrant": False})
    tiny.model.train()
    assert_equal(packed(tiny, groups), plain(tiny, groups))


@pytest.mark.parametrize("row_tokens", [1, 60, 200])
def test_any_division_into_rows_gives_the_same(tiny: Tiny, row_tokens: int) -> None:
    groups = random_groups(tiny, SHAPES["groups of different sizes"] + SHAPES["ragged lengths"])
    rows = list(fill_rows(groups, row_tokens))
    assert len(rows) > 1
    order = [completion for row in rows for group in row for completion in group.completions]
    assert order == [completion for group in groups for completion in group.completions]
    assert_equal(packed(tiny, groups, row_tokens), plain(tiny, groups))


def test_rows_are_filled_and_groups_kept_together_where_they_fit(tiny: Tiny) -> None:
    groups = random_groups(tiny, [((56, 56), SHORT, [10, 10])] * 3 + [((56, 56), SHORT, [200, 200, 5])])
    size = groups[0].tokens
    rows = list(fill_rows(groups, 2 * size))
    assert [[len(group.completions) for group in row] for row in rows] == [[2, 2], [2], [1], [1], [1]]
    assert all(sum(group.tokens for group in row) <= 2 * size or len(row[0].completions) == 1 for row in rows)


def test_padded_attention_equals_the_plain_path(tiny: Tiny, monkeypatch) -> None:
    """What other devices than the CPU use; here it runs on the CPU."""
    monkeypatch.setattr("othink_mr1.modeling.packed_rows.attention_layout", PaddedLayout.of)
    for shape in SHAPES.values():
        groups = random_groups(tiny, shape)
        tiny.model.zero_grad()
        assert_equal(packed(tiny, groups), plain(tiny, groups))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_varlen_attention_equals_the_plain_path(tiny: Tiny, shape: list, monkeypatch) -> None:
    """A GPU's attention in bf16, in the language model and in the vision tower; here in fp32 on the CPU."""
    calls = with_varlen_attention(monkeypatch)
    groups = random_groups(tiny, shape)
    assert_equal(packed(tiny, groups), plain(tiny, groups))
    vision, text = tiny.model.config.vision_config, tiny.model.config.text_config
    of_text = text.num_hidden_layers * (2 if any(len(group.completions) > 1 for group in groups) else 1)
    assert len(calls) == vision.depth + of_text


def test_varlen_attention_under_gradient_checkpointing(tiny: Tiny, monkeypatch) -> None:
    with_varlen_attention(monkeypatch)
    groups = random_groups(tiny, SHAPES["groups of different sizes"])
    tiny.model.activation_checkpointing_enable({"use_reentrant": False})
    tiny.model.train()
    assert_equal(packed(tiny, groups), plain(tiny, groups))


def test_varlen_attention_in_bf16(tiny: Tiny, monkeypatch) -> None:
    groups = random_groups(tiny, SHAPES["ragged lengths"])
    exact = packed(tiny, groups)
    tiny.model.zero_grad()
    with autocast("bf16", tiny.model.device):
        usual = packed(tiny, groups)
        tiny.model.zero_grad()
        with_varlen_attention(monkeypatch)
        ours = packed(tiny, groups)

    def errors(values: tuple[list[Tensor], Tensor]) -> tuple[float, float]:
        return (
            float((torch.cat(values[0]) - torch.cat(exact[0])).norm()),
            float((values[1] - exact[1]).norm()),
        )

    for own, cpu in zip(errors(ours), errors(usual), strict=True):
        assert 0 < own < 1.5 * cpu


def with_varlen_attention(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let rows and pictures use a GPU's attention in bf16, on the CPU; returns its calls, filled later."""
    calls: list[int] = []

    def counted(query: Tensor, *rest: Any, **more: Any) -> Any:
        calls.append(len(query))
        return plain_flash.forward(query, *rest, **more)

    plain_flash.use(monkeypatch, varlen_attention)
    monkeypatch.setattr(varlen_attention, "_forward", counted)
    monkeypatch.setattr(packed_rows, "attention_layout", VarlenLayout.of)
    monkeypatch.setattr(packed_attention, "flash_takes", lambda device, dtype: True)
    return calls


def test_a_picture_without_influence_would_be_noticed(tiny: Tiny) -> None:
    groups = random_groups(tiny, SHAPES["ragged lengths"])
    other = [
        Group(replace(group.prompt, pixel_values=-group.prompt.pixel_values), group.completions)
        for group in groups
    ]
    for mine, theirs in zip(packed(tiny, groups)[0], packed(tiny, other)[0], strict=True):
        assert (mine - theirs).abs().max() > 1e-4


def test_layout_of_groups() -> None:
    layout = row_layout([(3, [2, 1]), (4, [5]), (2, [])])
    assert [(span.start, span.end) for span in layout.sequences] == [
        (0, 3),
        (3, 5),
        (5, 6),
        (6, 15),
        (15, 17),
    ]
    assert [(s.prompt.start, s.prompt.end, s.group.start, s.group.end) for s in layout.shared_prompts] == [
        (0, 3, 3, 6)
    ]
    assert layout.tokens == 17


def test_logits_in_chunks_change_nothing(tiny: Tiny, monkeypatch) -> None:
    groups = random_groups(tiny, SHAPES["ragged lengths"])
    whole = packed(tiny, groups)
    rows: list[int] = []
    product = log_probabilities._logits

    def counted(states: torch.Tensor, head: torch.Tensor, temperature: float) -> torch.Tensor:
        rows.append(len(states))
        return product(states, head, temperature)

    monkeypatch.setattr(log_probabilities, "_logits", counted)
    monkeypatch.setattr(log_probabilities, "LOGITS_AT_A_TIME", {"cpu": 3 * 400})
    tiny.model.zero_grad()
    chunked = packed(tiny, groups)
    assert_equal(chunked, whole)
    # Divided it was; whether that shows in the rounding depends on the processor.
    assert max(rows) <= 3
    assert len(rows) > 2


def test_bf16_is_as_near_to_fp32_as_transformers_bf16(tiny: Tiny) -> None:
    groups = random_groups(tiny, SHAPES["ragged lengths"])
    exact = packed(tiny, groups)
    tiny.model.zero_grad()
    with autocast("bf16", tiny.model.device):
        ours = packed(tiny, groups)
        theirs = plain(tiny, groups)

    def error(values: list[Tensor]) -> float:
        return (torch.cat(values) - torch.cat(exact[0])).pow(2).mean().sqrt().item()

    def gradient_error(values: Tensor) -> float:
        return ((values - exact[1]).norm() / exact[1].norm()).item()

    assert 0 < error(ours[0]) < 1.5 * error(theirs[0])
    assert 0 < gradient_error(ours[1]) < 1.5 * gradient_error(theirs[1])


def test_frozen_images_are_encoded_once(tiny: Tiny, monkeypatch) -> None:
    groups = random_groups(tiny, SHAPES["pictures of different sizes"])
    prompts = [group.prompt for group in groups]
    stock = stock_model(tiny)
    encoded = []
    original = type(tiny.model.model.visual).forward

    def count(self, pixel_values, *args, **kwargs):
        encoded.append(len(pixel_values))
        return original(self, pixel_values, *args, **kwargs)

    monkeypatch.setattr(type(tiny.model.model.visual), "forward", count)
    frozen = FrozenImages(tiny.model, "fp32", limit_bytes=10**6)
    first = frozen.add_features(prompts[:2], [7, 3])
    # Each alone, so that a restart, which has forgotten some, changes none.
    assert encoded == [len(prompts[0].pixel_values), len(prompts[1].pixel_values)]
    again = frozen.add_features([prompts[2], prompts[0], prompts[1]], [9, 7, 3])
    assert encoded[2:] == [len(prompts[2].pixel_values)]
    assert torch.equal(again[1].image_features, first[0].image_features)
    with torch.no_grad():
        mine = completion_log_probabilities(
            tiny.model,
            pack(
                [Group(p, g.completions) for p, g in zip([*first, again[0]], groups, strict=True)],
                tiny.model.device,
            ),
        )
        assert len(encoded) == 3
        for row, (group, completion) in zip(
            mine, [(g, c) for g in groups for c in g.completions], strict=True
        ):
            plain_values = plain_log_probabilities(tiny, stock, group.prompt, completion)
            assert torch.allclose(row[: len(completion)], plain_values, atol=1e-5)


def test_frozen_images_keep_to_their_memory(tiny: Tiny) -> None:
    groups = random_groups(tiny, SHAPES["pictures of different sizes"])
    one = len(groups[1].prompt.pixel_values) // 4 * 64 * 4  # bytes of the small picture's features
    frozen = FrozenImages(tiny.model, "fp32", limit_bytes=one)
    prompts = [group.prompt for group in groups]
    for _ in range(2):
        with_features = frozen.add_features(prompts, [0, 1, 2])
        assert all(prompt.image_features is not None for prompt in with_features)
    assert list(frozen._features) == [1]


def test_stock_forward_goes_through_the_registered_function_unharmed(tiny: Tiny) -> None:
    """A padded batch through transformers' own forward, with our function registered, masks its padding."""
    groups = random_groups(tiny, SHAPES["ragged lengths"])
    inputs = plain_inputs(tiny, groups[0].prompt, groups[0].completions[1])
    padded = {
        "input_ids": torch.nn.functional.pad(inputs["input_ids"], (5, 0)),
        "attention_mask": torch.nn.functional.pad(inputs["attention_mask"], (5, 0)),
        "mm_token_type_ids": torch.nn.functional.pad(inputs["mm_token_type_ids"], (5, 0)),
        "pixel_values": inputs["pixel_values"],
        "image_grid_thw": inputs["image_grid_thw"],
    }
    with torch.no_grad():
        assert torch.allclose(
            tiny.model(**padded).logits[0, 5:], stock_model(tiny)(**inputs).logits[0], atol=1e-4
        )
