"""The sizes that the check runs at: the study's on a GPU; tiny ones on a CPU, where it tests itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Shapes:
    """Sizes of a check. Of the step and its batches: as in config.yaml, completions half as long."""

    device: torch.device
    correctness: dict[str, Any]  # a model of few layers, with real head sizes on a GPU
    backbone: dict[str, Any]  # Qwen2-VL-2B on a GPU
    prompts: int  # of a GRPO step
    group: int
    new_tokens: int
    row_tokens: int
    sft_batch: int
    target_tokens: int
    evaluation_batches: tuple[int, ...]
    evaluation_tokens: int
    picture: tuple[int, int]  # width and height
    attention_shapes: int  # that are new one after the other
    attention_tokens: int  # of a prompt and of a completion, about
    peak_rows: int  # of the matrices that measure the peak
    copy_bytes: int
    saved_layers: int  # of the model whose state is saved
    gb_needed: float  # free on the card, for a step


def _sizes(
    layers: int,
    hidden: int,
    feed_forward: int,
    heads: int,
    vocabulary: int,
    vision_layers: int,
    vision_hidden: int,
    vision_heads: int,
    sections: list[int],
) -> dict[str, Any]:
    return {
        "text_config": {
            "vocab_size": vocabulary,
            "hidden_size": hidden,
            "intermediate_size": feed_forward,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": 2,
            "rms_norm_eps": 1e-6,
            "max_position_embeddings": 32768,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": sections},
            "bos_token_id": None,
            "eos_token_id": None,
            "pad_token_id": None,
        },
        "vision_config": {
            "depth": vision_layers,
            "embed_dim": vision_hidden,
            "num_heads": vision_heads,
            "hidden_size": hidden,
            "mlp_ratio": 4,
        },
        "tie_word_embeddings": True,
    }


def study_shapes() -> Shapes:
    """For a GPU: the sizes of Qwen2-VL-2B-Instruct's config.json and of config.yaml's grpo and sft."""
    return Shapes(
        device=torch.device("cuda"),
        correctness=_sizes(4, 1536, 2048, 12, 4096, 2, 640, 8, [16, 24, 24]),
        backbone=_sizes(28, 1536, 8960, 12, 151936, 32, 1280, 16, [16, 24, 24]),
        prompts=16,
        group=8,
        new_tokens=256,
        row_tokens=8192,
        sft_batch=128,
        target_tokens=100,
        evaluation_batches=(32, 256),
        evaluation_tokens=96,
        picture=(480, 320),
        attention_shapes=50,
        attention_tokens=200,
        peak_rows=8192,
        copy_bytes=2**31,
        saved_layers=4,
        gb_needed=65,
    )


def tiny_shapes() -> Shapes:
    """For a CPU: seconds in all."""
    small = _sizes(3, 96, 128, 6, 512, 1, 64, 2, [2, 3, 3])
    return Shapes(
        device=torch.device("cpu"),
        correctness=small,
        backbone=small,
        prompts=2,
        group=2,
        new_tokens=12,
        row_tokens=200,
        sft_batch=4,
        target_tokens=6,
        evaluation_batches=(2, 4),
        evaluation_tokens=8,
        picture=(84, 56),
        attention_shapes=5,
        attention_tokens=20,
        peak_rows=256,
        copy_bytes=2**20,
        saved_layers=2,
        gb_needed=0,
    )
