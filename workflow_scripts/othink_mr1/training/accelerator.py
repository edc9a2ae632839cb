"""accelerate's Accelerator, as a training uses it: one process, and no precision but our own.

It computes backward passes, clips gradients, and writes to trackers. Its `accumulate` is not used: a step's
packed rows differ in number and size, and each is weighed by its share of the whole step (see `grpo_backward`
and `supervised_backward`). `accumulate` would divide every row by one fixed number.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from accelerate.utils import GradientAccumulationPlugin

from othink_mr1.errors import UserError

# Set by torchrun and `accelerate launch` for each of several processes.
_LAUNCHED = ("LOCAL_RANK", "WORLD_SIZE")


def new_accelerator(device: str, trackers: Sequence[GeneralTracker] = ()) -> Accelerator:
    """An Accelerator whose settings are all given here: accelerate reads others from its ACCELERATE_*.

    device: cpu or cuda. The model is there already, so accelerate moves nothing. Its own autocast is off:
    modeling/precision.py has the one that a run's settings ask for.
    """
    if launched := [name for name in _LAUNCHED if name in os.environ]:
        raise UserError(f"{launched[0]} is set, but a training is one process; start it without a launcher")
    return Accelerator(
        cpu=device == "cpu",
        device_placement=False,
        mixed_precision="no",
        dynamo_backend="no",
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        log_with=list(trackers) or None,
    )
