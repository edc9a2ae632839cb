"""The weight β(s) of the KL penalty over the optimiser updates s = 1..t.

GRPO-D's schedule is eq. 3 of the paper. One of its branches lost a subscript in print. With
β_mid = (β_min + β_max) / 2, we read it as

    s <= w:      β(s) = β_mid - (β_mid - β_min) · s / w
    w < s <= t:  β(s) = β_min + (β_max - β_min) · (s - w) / (t - w)

Evidence for this reading: the minus sign of the first branch, the use of β_mid, that the branches meet (at
β_min, when s = w), and the end of section 3.2, "reducing β(s) in the early stage … Later, increasing". The
paper's prose also says that β "starts from a small value and gradually increases", which suggests other
readings: `piecewise` schedules run them (studies/readings.yaml, docs/fidelity.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from othink_mr1.config.methods import (
    LARGEST_KL_ERROR,
    ConstantKL,
    CosineKL,
    DynamicKL,
    KLSchedule,
    LinearKL,
    NoKL,
    PiecewiseKL,
    TargetKL,
)

_NOTE = "kl_weight"


class KLWeights:
    """β of a training's updates. Only the target KL's controller remembers anything: its β."""

    def __init__(self, schedule: KLSchedule, steps: int, notes: Mapping[str, Any]) -> None:
        """notes: of the saved state from which the training resumes; empty at its start."""
        self._schedule, self._steps = schedule, steps
        self._controlled: float | None = None
        if isinstance(schedule, TargetKL):
            self._controlled = notes.get(_NOTE, schedule.initial)

    def at(self, step: int) -> float:
        """β of update `step`, from 1."""
        if self._controlled is not None:
            return self._controlled
        return kl_weight(self._schedule, step, self._steps)

    def observe(self, kl: float | None) -> None:
        """Take in the KL of an update, in nats."""
        if isinstance(self._schedule, TargetKL):
            assert self._controlled is not None
            assert kl is not None, "a reference is computed for every schedule but a constant 0"
            self._controlled = controlled_kl_weight(self._schedule, self._controlled, kl)

    def notes(self) -> dict[str, float]:
        """What a saved state must keep."""
        return {} if self._controlled is None else {_NOTE: self._controlled}


def kl_weight(schedule: KLSchedule, step: int, steps: int) -> float:
    """β at optimiser update `step` of `steps` (s of t), dimensionless. Add new kinds of schedules here."""
    match schedule:
        case ConstantKL():
            return schedule.weight
        case NoKL():
            return 0.0
        case DynamicKL():
            return dynamic_kl_weight(schedule, step, steps)
        case PiecewiseKL():
            steps_there, weights = zip(*schedule.points, strict=True)
            return float(np.interp(step, list(steps_there), list(weights)))
        case LinearKL():
            return schedule.start + (schedule.end - schedule.start) * step / steps
        case CosineKL():
            return cosine_kl_weight(schedule, step, steps)
        case TargetKL():
            raise AssertionError("its weight depends on what was observed: see KLWeights")


def cosine_kl_weight(schedule: CosineKL, step: int, steps: int) -> float:
    """β(s) = end + (start - end) · (1 + cos(π s / t)) / 2, as in Loshchilov & Hutter, arXiv 1608.03983."""
    return schedule.end + (schedule.start - schedule.end) * (1 + math.cos(math.pi * step / steps)) / 2


def controlled_kl_weight(schedule: TargetKL, weight: float, kl: float) -> float:
    """β after an update whose KL was `kl` nats: Ziegler et al. 2019, arXiv 1909.08593, section 2.2.

    With the error e = clip(KL / target - 1, -0.2, 0.2): β (1 + e / horizon). Their 1 / horizon is K_β = 0.1.
    An infinite KL counts as the largest error.
    """
    error = min(max(kl / schedule.target - 1, -LARGEST_KL_ERROR), LARGEST_KL_ERROR)
    return weight * (1 + error / schedule.horizon)


def dynamic_kl_weight(schedule: DynamicKL, step: int, steps: int) -> float:
    """Eq. 3. The last update has β_max (β_min if w = t); with w = 0 only the second branch applies.

    step: 0..steps; updates are counted from 1, and step 0 is the state before the first.
    """
    minimum, maximum, exploration = schedule.minimum, schedule.maximum, schedule.exploration_steps
    assert 0 <= step <= steps
    assert exploration <= steps
    if exploration > 0 and step <= exploration:
        middle = (minimum + maximum) / 2
        return middle - (middle - minimum) * step / exploration
    return minimum + (maximum - minimum) * (step - exploration) / (steps - exploration)
