"""Stops a training whose values have become nan or infinite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from othink_mr1.config.methods import GRPO, TrainingSettings
from othink_mr1.errors import Diverged, UserError


def require_finite(step: int, settings: TrainingSettings, **values: float) -> None:
    """UserError if a value of a step, such as its loss or gradient norm, is nan or infinite."""
    for name, value in values.items():
        if not math.isfinite(value):
            raise UserError(_diverged(step, settings, f"the {name.replace('_', ' ')} is {value}"))


@contextmanager
def naming_the_step(step: int, settings: TrainingSettings) -> Iterator[None]:
    """Add step and remedy to a Diverged error of the model, which does not know the step."""
    try:
        yield
    except Diverged as error:
        raise UserError(_diverged(step, settings, str(error))) from None


def _diverged(step: int, settings: TrainingSettings, what: str) -> str:
    remedy = f"lower learning_rate ({settings.learning_rate:g}) or max_gradient_norm"
    if isinstance(settings, GRPO):
        remedy += ", or change kl_schedule or clip_range"
    return f"step {step}: {what}: the training has diverged, and nothing of this step is kept; {remedy}"
