"""Settings of a tiny backbone and of tiny trainings: seconds to build, milliseconds per step."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from othink_mr1.config.execution import GenerationExecution, TrainingExecution
from othink_mr1.config.methods import GRPO, SFT
from othink_mr1.config.sources import SmallBackbone
from othink_mr1.data.examples import Example
from othink_mr1.plan.runs import RunDescription

TEMPLATE = "{question} Output the thinking process in <think> </think> and answer in <answer> </answer> tags."
QUESTIONS = ("How many items are there?", "angle A = 80.0, find angle B, in degrees, please")
TARGETS = ("<think>Row by row: 2 1. Together 3.</think>\n\n<answer> 3 </answer>", "<answer> 145° </answer>")


def tiny_settings(**changes: Any) -> SmallBackbone:
    share = {"source": "anything", "prompt": TEMPLATE, "share": 1.0}
    values = {
        "kind": "pretrained",
        "pretraining": {"scenes": share, "geometry": share},
        "vocabulary_size": 400,
        "hidden_size": 64,
        "layers": 2,
        "heads": 4,
        "key_value_heads": 2,
        "vision_hidden_size": 32,
        "vision_layers": 1,
        "vision_heads": 2,
        "steps": 3,
        "batch_size": 4,
        "learning_rate": 1e-3,
        "warmup_fraction": 0.0,
        "weight_decay": 0.01,
        "seed": 1,
    }
    return SmallBackbone.model_validate(values | changes)


def picture(items: int, width: int = 56, height: int = 56) -> bytes:
    """A PNG with some squares."""
    image = Image.new("RGB", (width, height), "white")
    for item in range(items):
        ImageDraw.Draw(image).rectangle((2 + 9 * item, 8 * item, 9 + 9 * item, 8 + 8 * item), fill="navy")
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def execution(**changes: Any) -> TrainingExecution:
    values = {
        "cpus": 1,
        "memory_gb": 1.0,
        "hours": 1.0,
        "device": "cpu",
        "gpus": 0,
        "row_tokens": 4096,
        "gradient_checkpointing": False,
        "save_every_minutes": 0,
        "trackers": ["tensorboard"],
    }
    return TrainingExecution.model_validate(values | changes)


TRAINING = {
    "learning_rate": 1e-3,
    "learning_rate_schedule": "linear",
    "warmup_fraction": 0.0,
    "weight_decay": 0.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "max_gradient_norm": 1.0,
    "steps": 3,
    "checkpoint_steps": [2],
    "precision": "fp32",
    "train_vision_tower": True,
}


def sft_settings(**changes: Any) -> SFT:
    return SFT.model_validate(TRAINING | {"trainer": "sft", "target": "reasoning", "batch_size": 4} | changes)


def grpo_settings(**changes: Any) -> GRPO:
    values = {
        "trainer": "grpo",
        "group_size": 4,
        "prompts_per_step": 2,
        "updates_per_rollout": 1,
        "clip_range": 0.2,
        "advantage_epsilon": 1e-4,
        "format_weight": 1.0,
        "temperature": 1.0,
        "top_k": 0,
        "max_completion_tokens": 12,
        "kl_schedule": {"kind": "constant", "weight": 0.04},
    }
    return GRPO.model_validate(TRAINING | values | changes)


GENERATION = GenerationExecution.model_validate(
    {"cpus": 1, "memory_gb": 1, "hours": 1, "device": "cpu", "gpus": 0}
)


def build_backbone() -> tuple[Any, Any]:
    """A tiny model with random weights, always the same, and its processor."""
    from othink_mr1.modeling.processor import new_processor
    from othink_mr1.modeling.small_backbone import new_small_backbone
    from othink_mr1.modeling.tokenizer import train_tokenizer

    tokenizer = train_tokenizer([TEMPLATE, *QUESTIONS, *TARGETS] * 3, 400)
    return new_small_backbone(tiny_settings(), tokenizer), new_processor(tokenizer)


EXAMPLES = [
    Example("0", picture(3), QUESTIONS[0], "3", "Row by row: 2 1. Together 3."),
    Example("1", picture(2, 84, 56), QUESTIONS[1], "145°", None),
    *(Example(str(n), picture(n % 5), QUESTIONS[0], str(n % 5), None) for n in range(2, 7)),
]


@dataclass(frozen=True)
class Tiny:
    """A backbone folder and its contents."""

    folder: Path
    model: Any  # Qwen2VLForConditionalGeneration
    processor: Any  # Qwen2VLProcessor


def description(settings: SFT | GRPO) -> RunDescription:
    """A run of these settings."""
    return RunDescription(
        name="counting-test-s7-0123456789",
        digest="0123456789",
        backbone="tiny",
        task="counting",
        method=settings.trainer,
        seed=7,
        training_prompt=TEMPLATE,
        scorer="counting",
        settings=settings,
    )
