"""SFT steps: the project's beside TRL's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks.speed.agreement import compare
from benchmarks.speed.backbone import load_stock
from benchmarks.speed.floor import Sizes, supervised_floor
from benchmarks.speed.grpo import Measured
from benchmarks.speed.ours import OursSupervised
from benchmarks.speed.rounds import interleaved
from benchmarks.speed.shapes import SupervisedShape
from benchmarks.speed.trl_sft import TRLSupervised
from benchmarks.speed.workload import SupervisedWorkload, supervised_workload
from othink_mr1.modeling.processor import load_processor


def measure_sft(backbone: Path, scratch: Path, shapes: Sequence[SupervisedShape], rounds: int) -> Measured:
    """Check that both make the same step on each shape, then time them.

    Preparing images and texts is not part of the step's seconds, since a data loader's workers can hide it
    in both; its own column tells what it takes.
    """
    processor = load_processor(backbone)
    sizes = Sizes.of(load_stock(backbone).config)
    frames: list[pd.DataFrame] = []
    floors: dict[str, int] = {}
    for shape in shapes:
        workload = supervised_workload(processor, shape)
        systems: dict[str, OursSupervised | TRLSupervised] = {
            "ours": OursSupervised(backbone),
            "trl": TRLSupervised(backbone, scratch, workload),
        }
        compare(shape.name, {name: system.loss_and_gradient(workload) for name, system in systems.items()})
        frame = _timed(systems, workload, rounds)
        frame["seconds"] -= frame["preparation_seconds"]
        frames.append(frame)
        floors[shape.name] = supervised_floor(sizes, workload)
    return Measured(pd.concat(frames, ignore_index=True), floors)


def _timed(
    systems: Mapping[str, OursSupervised | TRLSupervised], workload: SupervisedWorkload, rounds: int
) -> pd.DataFrame:
    steps = {
        name: lambda clock, system=system: system.step(workload, clock) for name, system in systems.items()
    }
    return interleaved(workload.shape.name, steps, rounds)
