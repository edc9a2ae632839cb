"""How many questions are decoded at a time: by the GPU's free memory, never a setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights
from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

from gpu.shapes import study_shapes
from othink_mr1.config.load import load_study
from othink_mr1.errors import UserError
from othink_mr1.evaluation import batch_size as module
from othink_mr1.evaluation.batch_size import ON_CPU, batch_size, decoding_sizes, fitting_batch
from othink_mr1.modeling.fixed_cache import FixedCache
from othink_mr1.modeling.prompts import PromptMaker
from othink_mr1.modeling.shared_prompt_cache import SharedPromptCache
from othink_mr1.modeling.token_step import TokenStep
from repository import REPOSITORY
from tiny import EXAMPLES, TEMPLATE, Tiny

WEIGHTS = 8_835_942_400
CONTEXT = 600e6  # of CUDA


def model_2b() -> Qwen2VLForConditionalGeneration:
    with init_empty_weights():
        return Qwen2VLForConditionalGeneration(Qwen2VLConfig(**study_shapes().backbone))


SIZES = {precision: decoding_sizes(model_2b(), precision) for precision in ("bf16", "fp32")}
# Longest prompt and answer: counting's pictures are 480 x 320, geometry's up to 512 image tokens.
TASKS = {"counting": (300, 256), "geometry": (800, 1024)}


def free(card_gb: int) -> int:
    """Beside the 2B model, on a card that is sold as one of so many GB."""
    return int(card_gb * 2**30 - WEIGHTS - CONTEXT)


@pytest.mark.parametrize(
    ("precision", "card_gb", "counting", "geometry"),
    [
        ("bf16", 24, 152, 56),
        ("bf16", 40, 496, 192),
        ("bf16", 80, 512, 512),
        ("bf16", 141, 512, 512),
        ("fp32", 24, 72, 24),
        ("fp32", 40, 328, 104),
        ("fp32", 80, 512, 320),
    ],
)
def test_the_2b_model_on_cards(precision: str, card_gb: int, counting: int, geometry: int) -> None:
    fits = [fitting_batch(free(card_gb), SIZES[precision], *TASKS[task]) for task in TASKS]
    assert fits == [counting, geometry]


def test_a_card_that_is_too_small_is_told() -> None:
    with pytest.raises(UserError) as caught:
        fitting_batch(free(16), SIZES["bf16"], *TASKS["geometry"])
    assert str(caught.value) == (
        "the GPU has 7.7 GB free beside the model, and 8 answers of up to 1024 tokens need 9.4 GB; use a "
        "GPU with more memory, or end what else uses this one"
    )
    # What it says is enough is enough, and hardly more than that.
    assert fitting_batch(int(9.5e9), SIZES["bf16"], *TASKS["geometry"]) == 8
    with pytest.raises(UserError):
        fitting_batch(int(9.3e9), SIZES["bf16"], *TASKS["geometry"])


def test_more_memory_more_sequences_longer_ones_fewer() -> None:
    for sizes in SIZES.values():
        fits = [fitting_batch(gb * 10**9, sizes, 800, 1024) for gb in range(14, 140)]
        assert fits == sorted(fits)
        assert {count % 8 for count in fits} == {0}
        assert (fits[0], fits[-1]) == (8 * (fits[0] // 8), 512)
        shorter = [fitting_batch(60 * 10**9, sizes, tokens, 1024) for tokens in (200, 800, 2000)]
        assert shorter == sorted(shorter, reverse=True)
        assert len(set(shorter)) == 3


def test_the_bytes_are_those_of_what_is_kept(tiny: Tiny) -> None:
    sizes = decoding_sizes(tiny.model, "fp32")
    step = TokenStep(tiny.model, fused_norms=False)
    products = [step._head, *(getattr(layer, name) for layer in step._layers for name in PRODUCTS)]
    assert sizes.step_weights_bytes == sum(4 * product._weight.numel() for product in products)
    assert decoding_sizes(tiny.model, "bf16").step_weights_bytes == sizes.step_weights_bytes / 2
    config = tiny.model.config.text_config
    cache = SharedPromptCache(
        config.num_hidden_layers,
        config.num_key_value_heads,
        config.hidden_size // config.num_attention_heads,
        prompts=3,
        group=1,
        max_own_tokens=9,
        device=torch.device("cpu"),
    )
    states = torch.zeros(config.num_hidden_layers, config.num_key_value_heads, 50, 16)
    cache.put_prompts([0, 1, 2], [states] * 3, [states] * 3)
    kept = cache._prompt_keys.nbytes + cache._prompt_values.nbytes
    assert kept == 3 * 50 * 4 * sizes.token_states
    fixed = FixedCache(
        config.num_hidden_layers,
        config.num_key_value_heads,
        config.hidden_size // config.num_attention_heads,
        prompts=3,
        group=1,
        prompt_room=256,
        own_room=9,
        dtype=torch.bfloat16,
        device=torch.device("cpu"),
    )
    kept = fixed._prompt_states.nbytes + fixed._own_states.nbytes
    assert kept == 3 * (256 + 9) * 2 * sizes.token_states


PRODUCTS = ("qkv", "attention_out", "gate_up", "down")


def test_on_a_cpu_it_is_one_number(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: pytest.fail("asked a GPU"))
    maker = PromptMaker(tiny.model, tiny.processor)
    assert batch_size(tiny.model, maker, EXAMPLES, TEMPLATE, 56, "fp32") == ON_CPU


def test_the_longest_prompt_and_the_memory_that_is_free_decide(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: the model says that it is on one."""

    class OnGPU:
        device = torch.device("cuda")
        config = tiny.model.config

    asked = []

    def fitting(*arguments: object) -> int:
        asked.append(arguments)
        return 8

    maker = PromptMaker(tiny.model, tiny.processor)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda *_: (123, 456))
    monkeypatch.setattr(module, "fitting_batch", fitting)
    assert batch_size(OnGPU(), maker, EXAMPLES, TEMPLATE, 56, "bf16") == 8
    texts = [TEMPLATE.replace("{question}", example.question) for example in EXAMPLES]
    longest = max(map(len, maker.make([example.image for example in EXAMPLES], texts)))
    assert asked == [(123, decoding_sizes(tiny.model, "bf16"), longest, 56)]


def test_every_size_counts() -> None:
    for sizes in SIZES.values():
        for name in ("layers", "kv_heads", "vocabulary", "product_bytes", "vision_hidden", "feed_forward"):
            larger = replace(sizes, **{name: 3 * getattr(sizes, name)})
            assert fitting_batch(60 * 10**9, larger, 800, 1024) < fitting_batch(60 * 10**9, sizes, 800, 1024)


def test_the_setting_of_earlier_versions_is_unknown(tmp_path: Path) -> None:
    overlay = tmp_path / "old.yaml"
    overlay.write_text("execution:\n  generate: {batch_size: 32}\n")
    with pytest.raises(UserError, match=r"old\.yaml:2: execution\.generate\.batch_size: unknown key"):
        load_study([REPOSITORY / "config.yaml", overlay])
