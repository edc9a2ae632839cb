"""The reference in bf16: cast once, equal to the bit to what autocast makes of the fp32 copy."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import pytest
import torch
from accelerate import init_empty_weights
from torch import Tensor
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from gpu.shapes import study_shapes
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.precision import autocast
from othink_mr1.training.grpo import packed_rollout
from othink_mr1.training.log_probabilities import completion_log_probabilities
from othink_mr1.training.reference import make_reference
from tiny import Tiny, grpo_settings

CPU = torch.device("cpu")


def size(weights: Iterable[Tensor]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in weights)


@torch.no_grad()
def log_probabilities(model, prompts, completions, row_tokens: int, precision: str) -> list[Tensor]:
    rows = packed_rollout(prompts, completions, row_tokens, CPU)
    with autocast(precision, CPU):
        return [completion_log_probabilities(model, row) for row in rows]


@pytest.fixture(params=["weights as drawn", "large weights", "noisy biases"])
def lively(request: pytest.FixtureRequest, tiny: Tiny) -> Tiny:
    with torch.no_grad():
        for name, weight in tiny.model.named_parameters():
            if request.param == "large weights":
                weight.mul_(3)
            elif request.param == "noisy biases" and name.endswith("bias"):
                weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    return tiny


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("trained", [True, False], ids=["trained tower", "frozen tower"])
@pytest.mark.parametrize("row_tokens", [10_000, 60])
def test_log_probabilities_are_the_same_to_the_bit(
    lively: Tiny, prompts: list, precision: str, trained: bool, row_tokens: int
) -> None:
    policy = copy.deepcopy(lively.model)
    settings = grpo_settings(precision=precision, train_vision_tower=trained)
    reference = make_reference(lively.model, settings)
    completions = [[70 + place * step % 90 for step in range(1 + 5 * place)] for place in range(6)]
    expected = log_probabilities(policy, prompts, completions, row_tokens, precision)
    values = log_probabilities(reference, prompts, completions, row_tokens, precision)
    assert len(values) == len(expected) == (1 if row_tokens > 100 else len(expected))
    assert all(torch.equal(own, other) for own, other in zip(values, expected, strict=True))
    # Of fp32 they differ: the test above compares casts, not two fp32 models.
    other_precision = log_probabilities(policy, prompts, completions, row_tokens, "fp32")
    assert torch.equal(expected[0], other_precision[0]) == (precision == "fp32")
    # The policy is as it was.
    for (name, weight), before in zip(lively.model.named_parameters(), policy.parameters(), strict=True):
        assert weight.dtype == torch.float32, name
        assert torch.equal(weight, before), name


@pytest.mark.parametrize("trained", [True, False])
def test_which_weights_are_cast(tiny: Tiny, trained: bool) -> None:
    reference = make_reference(tiny.model, grpo_settings(precision="bf16", train_vision_tower=trained))
    assert (reference.model.visual is tiny.model.model.visual) == (not trained)
    cast = {name for name, weight in reference.named_parameters() if weight.dtype == torch.bfloat16}
    products = ("_proj.weight", "_proj.bias", "fc1.weight", "qkv.weight", "patch_embed.proj.weight")
    for name, weight in reference.named_parameters():
        assert not weight.requires_grad
        if "visual" in name and not trained:
            assert name not in cast
        elif name.endswith(products):
            assert name in cast, name
        elif "norm" in name or "embed_tokens" in name or "ln_q" in name:
            assert name not in cast, name
    assert reference.lm_head.weight is reference.get_input_embeddings().weight
    fp32 = make_reference(tiny.model, grpo_settings(precision="fp32"))
    assert {weight.dtype for weight in fp32.parameters()} == {torch.float32}


def test_the_2b_models_reference_takes_half() -> None:
    with init_empty_weights():
        model = Qwen2VLForConditionalGeneration(Qwen2VLConfig(**study_shapes().backbone))
    model.tie_weights()
    use_own_kernels(model)
    assert sum(weight.numel() for weight in model.parameters()) == 2_208_985_600
    reference = make_reference(model, grpo_settings(precision="bf16"))
    embeddings = size([model.get_input_embeddings().weight])
    before, after = size(model.parameters()), size(reference.parameters())
    assert (before, embeddings) == (8_835_942_400, 933_494_784)
    assert (after - embeddings) / (before - embeddings) == pytest.approx(0.5, abs=0.001)
    assert after == pytest.approx(4.885e9, abs=0.005e9)


def test_without_a_kl_weight_there_is_none(tiny: Tiny) -> None:
    never = {"kind": "constant", "weight": 0.0}
    assert make_reference(tiny.model, grpo_settings(precision="bf16", kl_schedule=never)) is None
