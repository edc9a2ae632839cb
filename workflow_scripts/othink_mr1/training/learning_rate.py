"""The learning rate over the optimiser updates."""

from __future__ import annotations

import math
from typing import Literal


def learning_rate_factor(
    schedule: Literal["constant", "linear", "cosine"], warmup_fraction: float, step: int, steps: int
) -> float:
    """Factor on the peak learning rate at update `step` of `steps` (counted from 1), in (0, 1].

    It rises linearly over the warm-up steps (so that even the first update changes the weights), and then
    stays constant, or falls linearly or by half a cosine, to end just above 0.
    """
    warmup = round(warmup_fraction * steps)
    if step <= warmup:
        return step / warmup
    done = (step - 1 - warmup) / (steps - warmup)  # in [0, 1)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1.0 - done
    return 0.5 * (1.0 + math.cos(math.pi * done))
