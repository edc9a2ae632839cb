"""The formulas give what torch counts around real steps: a GRPO step, an SFT step, an evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from benchmarks.speed.floor import Sizes, group_products
from counting import (
    EXAMPLES,
    counted,
    prompt_lengths,
    rollout_lengths,
    shape_of,
    target_tokens,
    train,
    truncated,
)

from othink_mr1.cost.flops import Forward, Lengths, decoding, forward, prefill
from othink_mr1.cost.model_shape import PUBLISHED
from othink_mr1.data.examples import write_examples
from othink_mr1.evaluation.generate import generate_answers
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.training.log_probabilities import completion_log_probabilities
from tiny import GENERATION, TEMPLATE, Tiny, grpo_settings, sft_settings

WITHIN = 0.02
EVALUATION_WITHIN = 0.05  # its prompts and answers are padded to the batch's longest
GROUP = 4


@pytest.fixture(autouse=True)
def no_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the CPU, short sequences are padded to one call's length. Here that would be most of attention."""
    monkeypatch.setattr("othink_mr1.modeling.flash_attention_cpu.PAIRS_PER_CALL", 0)


def grpo_step(tiny: Tiny, folder: Path, **how: Any) -> tuple[int, Any, Lengths]:
    """Operations of a run of one step, counted; its settings; the lengths of its rollout."""
    checkpointing = how.pop("gradient_checkpointing", False)
    settings = grpo_settings(
        steps=1,
        checkpoint_steps=[],
        prompts_per_step=len(EXAMPLES),
        group_size=GROUP,
        max_completion_tokens=24,
        **how,
    )
    number = counted(lambda: train(tiny, settings, folder, gradient_checkpointing=checkpointing))
    return number, settings, rollout_lengths(tiny, folder / "run", GROUP)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"gradient_checkpointing": True},
        {"kl_schedule": {"kind": "constant", "weight": 0}},
        {"precision": "bf16"},
        {"train_vision_tower": False},
    ],
    ids=["plain", "checkpointing", "no reference", "bf16", "frozen tower"],
)
def test_a_grpo_step(tiny: Tiny, tmp_path: Path, how: dict[str, Any]) -> None:
    number, settings, lengths = grpo_step(tiny, tmp_path, **how)
    shape, tower = shape_of(tiny), settings.train_vision_tower
    packed = forward(shape, lengths, encode_image=tower)
    expected = prefill(shape, lengths) + decoding(shape, lengths)
    expected += packed.with_backward(how.get("gradient_checkpointing", False))
    if settings.kl_schedule.weight:
        expected += packed.total
    expected *= len(EXAMPLES)
    print(f"GRPO {how}: formula / counted = {expected / number:.4f}")
    assert expected == pytest.approx(number, rel=WITHIN)


def test_the_comparison_can_fail(tiny: Tiny, tmp_path: Path) -> None:
    """Each part is large enough: without any of them the formula is off by more than is allowed."""
    number, _, lengths = grpo_step(tiny, tmp_path, gradient_checkpointing=True)
    shape = shape_of(tiny)
    packed = forward(shape, lengths)
    parts = {
        "prefill": prefill(shape, lengths),
        "decoding": decoding(shape, lengths),
        "reference": packed.total,
        "the layers again": packed.with_backward(True) - packed.with_backward(False),
        "attention": packed.with_backward(True)
        - replace(packed, repeated_attention=0, other_attention=0).with_backward(True),
    }
    whole = parts["prefill"] + parts["decoding"] + parts["reference"] + packed.with_backward(True)
    assert len(EXAMPLES) * whole == pytest.approx(number, rel=WITHIN)
    for part, operations in parts.items():
        assert len(EXAMPLES) * (whole - operations) != pytest.approx(number, rel=WITHIN), part


def test_a_forward_pass_agrees_with_the_benchmarks_floor() -> None:
    """Which was counted on its own, with the last layer's feed-forward part on prompts too."""
    shape = PUBLISHED["Qwen/Qwen2-VL-2B-Instruct"]
    sizes = Sizes(
        hidden=1536,
        layers=28,
        heads=12,
        key_value_heads=2,
        feed_forward=8960,
        vocabulary=151936,
        vision_layers=32,
        vision_hidden=1280,
        vision_feed_forward=5120,
        patch_values=1176,
    )
    floor = group_products(sizes, image_tokens=187, prompt_tokens=227, completions=[256] * 8)
    assert floor - forward(shape, Lengths(187, 227, 8, 256)).total == 2 * shape.feed_forward_weights * 227


def test_the_head_is_computed_four_times() -> None:
    """Too little of a tiny backbone's step to be seen there."""
    hidden, weight = torch.randn(30, 64, requires_grad=True), torch.randn(388, 64, requires_grad=True)
    head = SimpleNamespace(lm_head=SimpleNamespace(weight=weight))
    row = SimpleNamespace(targets=torch.arange(30), completion_lengths=[20, 10])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("othink_mr1.training.log_probabilities.predictor_states", lambda *_: hidden)
        number = counted(lambda: completion_log_probabilities(head, row).sum().backward())
    once = Forward(0, 0, 0, 0, 0, 0, head=2 * 30 * 64 * 388)
    assert number == once.with_backward(False)


@pytest.mark.parametrize("checkpointing", [False, True], ids=["plain", "checkpointing"])
def test_an_sft_step(tiny: Tiny, tmp_path: Path, checkpointing: bool) -> None:
    settings = sft_settings(steps=1, checkpoint_steps=[], batch_size=len(EXAMPLES))
    number = counted(lambda: train(tiny, settings, tmp_path, gradient_checkpointing=checkpointing))
    lengths = Lengths(*prompt_lengths(tiny), 1, target_tokens(tiny))
    expected = len(EXAMPLES) * forward(shape_of(tiny), lengths).with_backward(checkpointing)
    print(f"SFT checkpointing={checkpointing}: formula / counted = {expected / number:.4f}")
    assert expected == pytest.approx(number, rel=WITHIN)


def test_an_sft_step_on_whole_dialogues(tiny: Tiny, tmp_path: Path) -> None:
    """R1-V's: all tokens but the first and the image's are learned; there is no completion."""
    from othink_mr1.modeling.prompts import PromptMaker
    from othink_mr1.training.r1v_sft import r1v_dialogue

    settings = sft_settings(steps=1, checkpoint_steps=[], batch_size=len(EXAMPLES), target="r1v")
    number = counted(lambda: train(tiny, settings, tmp_path))
    dialogues = [r1v_dialogue(tiny.processor, example) for example in EXAMPLES]
    prompts = PromptMaker(tiny.model, tiny.processor).make_of_dialogues(
        [example.image for example in EXAMPLES], dialogues
    )
    image, _ = prompt_lengths(tiny)
    tokens = sum(map(len, prompts)) / len(prompts)
    lengths = Lengths(image, tokens, 0, 0.0, learned=tokens - image - 1)
    expected = len(EXAMPLES) * forward(shape_of(tiny), lengths).with_backward(False)
    print(f"SFT r1v: formula / counted = {expected / number:.4f}")
    assert expected == pytest.approx(number, rel=WITHIN)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_evaluation(tiny: Tiny, tmp_path: Path, precision: str) -> None:
    longest = 24
    write_examples(EXAMPLES, tmp_path / "examples.parquet")
    task = GenerationTask(name="counting", prompt=TEMPLATE, max_new_tokens=longest)
    output = tmp_path / "answers"

    def evaluate() -> None:
        generate_answers(
            tiny.folder, "run", GENERATION, precision, task, tmp_path / "examples.parquet", output
        )

    number = counted(evaluate)
    assert truncated(output / "answers.jsonl") == [True] * len(EXAMPLES)
    shape, lengths = shape_of(tiny), Lengths(*prompt_lengths(tiny), 1, longest)
    expected = len(EXAMPLES) * (prefill(shape, lengths) + decoding(shape, lengths))
    print(f"evaluation {precision}: formula / counted = {expected / number:.4f}")
    assert expected == pytest.approx(number, rel=EVALUATION_WITHIN)
