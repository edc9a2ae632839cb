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

import numpy as np

from othink_mr1.config.methods import ConstantKL, DynamicKL, PiecewiseKL


def kl_weight(schedule: ConstantKL | DynamicKL | PiecewiseKL, step: int, steps: int) -> float:
    """β at optimiser update `step` of `steps` (s of t), dimensionless. Add new kinds of schedules here."""
    if isinstance(schedule, ConstantKL):
        return schedule.weight
    if isinstance(schedule, PiecewiseKL):
        steps_there, weights = zip(*schedule.points, strict=True)
        return float(np.interp(step, list(steps_there), list(weights)))
    return dynamic_kl_weight(schedule, step, steps)


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
