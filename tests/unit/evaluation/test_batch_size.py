"""How many questions are decoded at a time: by the GPU's free memory, never a setting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from othink_mr1.config.load import load_study
from othink_mr1.cost.model_shape import PUBLISHED, shape_of_config
from othink_mr1.errors import UserError
from othink_mr1.evaluation import batch_size as module
from othink_mr1.evaluation.batch_size import ON_CPU, batch_size, fitting_batch
from othink_mr1.modeling.prompts import PromptMaker
from repository import REPOSITORY
from tiny import EXAMPLES, TEMPLATE, Tiny

WEIGHTS = 8_835_942_400
CONTEXT = 600e6  # of CUDA


SHAPE = PUBLISHED["Qwen/Qwen2-VL-2B-Instruct"]
PRECISIONS = ("bf16", "fp32")
# Longest prompt and answer: counting's pictures are 480 x 320, geometry's up to 512 image tokens.
TASKS = {"counting": (300, 256), "geometry": (800, 1024)}


def free(card_gb: int) -> int:
    """Beside the 2B model, on a card that is sold as one of so many GB."""
    return int(card_gb * 2**30 - WEIGHTS - CONTEXT)


@pytest.mark.parametrize(
    ("precision", "card_gb", "counting", "geometry"),
    [
        ("bf16", 24, 152, 56),
        ("bf16", 40, 504, 192),
        ("bf16", 80, 512, 512),
        ("bf16", 141, 512, 512),
        ("fp32", 24, 72, 24),
        ("fp32", 40, 352, 120),
        ("fp32", 80, 512, 352),
    ],
)
def test_the_2b_model_on_cards(precision: str, card_gb: int, counting: int, geometry: int) -> None:
    fits = [fitting_batch(free(card_gb), SHAPE, precision, *TASKS[task]) for task in TASKS]
    assert fits == [counting, geometry]


def test_a_card_that_is_too_small_is_told() -> None:
    with pytest.raises(UserError) as caught:
        fitting_batch(free(16), SHAPE, "bf16", *TASKS["geometry"])
    assert str(caught.value) == (
        "the GPU has 7.7 GB free beside the model, and 8 answers of up to 1024 tokens need 9.4 GB; use a "
        "GPU with more memory, or end what else uses this one"
    )
    # What it says is enough is enough, and hardly more than that.
    assert fitting_batch(int(9.5e9), SHAPE, "bf16", *TASKS["geometry"]) == 8
    with pytest.raises(UserError):
        fitting_batch(int(9.3e9), SHAPE, "bf16", *TASKS["geometry"])


def test_more_memory_more_sequences_longer_ones_fewer() -> None:
    for precision in PRECISIONS:
        fits = [fitting_batch(gb * 10**9, SHAPE, precision, 800, 1024) for gb in range(14, 140)]
        assert fits == sorted(fits)
        assert {count % 8 for count in fits} == {0}
        assert (fits[0], fits[-1]) == (8 * (fits[0] // 8), 512)
        shorter = [fitting_batch(60 * 10**9, SHAPE, precision, tokens, 1024) for tokens in (200, 800, 2000)]
        assert shorter == sorted(shorter, reverse=True)
        assert len(set(shorter)) == 3


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
    assert asked == [(123, shape_of_config(tiny.folder / "config.json"), "bf16", longest, 56)]


def test_every_size_counts() -> None:
    for precision in PRECISIONS:
        usual = fitting_batch(60 * 10**9, SHAPE, precision, 800, 1024)
        for name in ("layers", "key_value_heads", "vocabulary", "vision_hidden", "feed_forward"):
            larger = replace(SHAPE, **{name: 3 * getattr(SHAPE, name)})
            assert fitting_batch(60 * 10**9, larger, precision, 800, 1024) < usual, name


def test_the_setting_of_earlier_versions_is_unknown(tmp_path: Path) -> None:
    overlay = tmp_path / "old.yaml"
    overlay.write_text("execution:\n  generate: {batch_size: 32}\n")
    with pytest.raises(UserError, match=r"old\.yaml:2: execution\.generate\.batch_size: unknown key"):
        load_study([REPOSITORY / "config.yaml", overlay])
