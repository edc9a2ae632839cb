"""Disk of a training, in bytes: checkpoints, which stay, and states, which go when it is done."""

from __future__ import annotations

from typing import Any

from othink_mr1.cost.model_shape import ModelShape

STATES_AT_A_TIME = 4  # MOST_AT_A_TIME of training/saved_states.py, which imports torch
_BYTES = {"fp32": 4, "bf16": 2}


def checkpoint_bytes(shape: ModelShape, settings: Any) -> float:
    """One checkpoint; its tokenizer's few megabytes are left out."""
    return _BYTES[settings.checkpoint_precision] * shape.parameters


def states_bytes(shape: ModelShape, train_vision_tower: bool) -> float:
    """The most that saved states take while it trains: what is trained, and two moments of it, in fp32."""
    trained = shape.parameters if train_vision_tower else shape.text
    return STATES_AT_A_TIME * 3 * 4 * trained
