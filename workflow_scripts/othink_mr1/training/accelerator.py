"""accelerate's Accelerator as our trainings use it: without its own mixed precision.

It computes backward passes, clips gradients, and writes to trackers. Its `accumulate` is not used: a step's
packed rows differ in number and size, and each is weighted by its share of the whole step (see
`grpo_backward` and `supervised_backward`). `accumulate` would divide every row by one fixed number.
"""

from __future__ import annotations

from collections.abc import Sequence

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from accelerate.utils import GradientAccumulationPlugin


def new_accelerator(device: str, trackers: Sequence[GeneralTracker] = ()) -> Accelerator:
    """An Accelerator with all settings given here, as accelerate would read missing ones from ACCELERATE_*.

    device: cpu or cuda. The model is already there, so accelerate moves nothing. Its autocast is off:
    modeling/precision.py sets the precision that a run's settings give.
    """
    return Accelerator(
        cpu=device == "cpu",
        device_placement=False,
        mixed_precision="no",
        dynamo_backend="no",
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        log_with=list(trackers) or None,
    )
