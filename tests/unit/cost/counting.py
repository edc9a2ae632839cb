"""Real steps of the tiny backbone under torch's counter of operations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from othink_mr1.config.methods import GRPO, SFT
from othink_mr1.cost.flops import Lengths
from othink_mr1.cost.model_shape import PATCHES_PER_IMAGE_TOKEN, ModelShape, shape_of_config
from othink_mr1.data.examples import Example, write_examples
from othink_mr1.modeling.prompts import PromptMaker, fill_template
from othink_mr1.training.grpo_runs import train_grpo_run
from othink_mr1.training.sft_runs import train_sft_run
from othink_mr1.training.supervised import make_lessons
from tiny import QUESTIONS, TEMPLATE, Tiny, description, execution, picture

aten = torch.ops.aten
# Sizes that differ a little, as in a real set.
EXAMPLES = [
    Example(
        str(n), picture(n, 112 + 28 * (n % 2), 112), QUESTIONS[n % 2], str(n), "Row by row: 2 1. Together 3."
    )
    for n in range(4)
]


def _pairs(query: Any, key: Any, is_causal: bool) -> int:
    """Pairs of a query and a key that it sees, for all heads and sequences."""
    batch, heads, queries, keys = *query[:3], key[2]
    return batch * heads * (queries * (queries + 1) // 2 if is_causal else queries * keys)


def _attention(
    query: Any, key: Any, value: Any, dropout: float = 0.0, is_causal: bool = False, *rest: Any, **more: Any
) -> int:
    """Scores, and weighted sums of the values."""
    return 2 * 2 * _pairs(query, key, is_causal) * query[3]


def _attention_backward(
    gradient: Any,
    query: Any,
    key: Any,
    value: Any,
    out: Any,
    sums: Any,
    dropout: float,
    is_causal: bool,
    *rest: Any,
    **more: Any,
) -> int:
    """The scores again, and four gradients: of weights, values, queries, keys."""
    return 5 * 2 * _pairs(query, key, is_causal) * query[3]


def _addmm_(place: Any, left: Any, right: Any, **more: Any) -> int:
    return 2 * left[0] * left[1] * right[1]


# What torch's counter does not know.
_FORMULAS = {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    aten.addmm_: _addmm_,
}


class _NoModules:
    """In place of the counter's sums per module, whose hooks fail in inference mode."""

    parents = frozenset({"Global"})

    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def counted(function: Callable[[], object]) -> int:
    """Operations of a call, by torch's counter."""
    counter = FlopCounterMode(display=False, custom_mapping=_FORMULAS)
    counter.mod_tracker = _NoModules()
    with counter:
        function()
    return counter.get_total_flops()


def shape_of(tiny: Tiny) -> ModelShape:
    return shape_of_config(tiny.folder / "config.json")


def train(tiny: Tiny, settings: GRPO | SFT, folder: Path, **changes: Any) -> Path:
    """A training as the workflow starts it; returns the run's folder."""
    write_examples(EXAMPLES, folder / "examples.parquet")
    start = train_grpo_run if isinstance(settings, GRPO) else train_sft_run
    start(
        description(settings), execution(**changes), folder / "examples.parquet", tiny.folder, folder / "run"
    )
    return folder / "run"


def prompt_lengths(tiny: Tiny) -> tuple[float, float]:
    """Mean image tokens and prompt tokens of EXAMPLES."""
    prompts = prompts_of(tiny)
    image = sum(len(prompt.pixel_values) for prompt in prompts) / PATCHES_PER_IMAGE_TOKEN
    return image / len(prompts), sum(map(len, prompts)) / len(prompts)


def target_tokens(tiny: Tiny) -> float:
    """Mean tokens of EXAMPLES' targets, with reasoning."""
    lessons = make_lessons(tiny.processor, prompts_of(tiny), EXAMPLES)
    return sum(len(lesson.target) for lesson in lessons) / len(lessons)


def rollout_lengths(tiny: Tiny, run: Path, group: int) -> Lengths:
    """The mean lengths of a run's rollouts."""
    mean = pd.read_csv(run / "metrics.csv")["completion_tokens"].mean()
    return Lengths(*prompt_lengths(tiny), group, mean)


def truncated(answers: Path) -> list[bool]:
    return [json.loads(line)["truncated"] for line in answers.read_text().splitlines()]


def prompts_of(tiny: Tiny) -> list[Any]:
    """The prompts of EXAMPLES."""
    return PromptMaker(tiny.model, tiny.processor).make(
        [example.image for example in EXAMPLES],
        [fill_template(TEMPLATE, example.question) for example in EXAMPLES],
    )
