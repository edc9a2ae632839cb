"""How a GRPO step's time grows with the group, the image, the completions and the prompts: ours and TRL's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from benchmarks.speed.backbone import load_stock
from benchmarks.speed.floor import Sizes, grpo_floor
from benchmarks.speed.grpo import Measured, make_system, time_grpo
from benchmarks.speed.shapes import Sweep
from benchmarks.speed.workload import grpo_workload
from othink_mr1.modeling.processor import load_processor

# The largest steps take a minute each: then one round must do.
ENOUGH_SECONDS = 15.0


def measure_scaling(backbone: Path, scratch: Path, sweeps: Sequence[Sweep], rounds: int) -> Measured:
    """Every value of every sweep, timed; a case is named `sweep=value`."""
    processor = load_processor(backbone)
    sizes = Sizes.of(load_stock(backbone).config)
    frames, floors = [], {}
    for sweep in sweeps:
        for value in sweep.values:
            shape = sweep.shape(value)
            workload = grpo_workload(processor, shape)
            systems = {name: make_system(name, backbone, scratch, shape) for name in ("ours", "trl")}
            frame = time_grpo(systems, workload, rounds, ENOUGH_SECONDS)
            medians = frame.groupby("system", sort=False)["seconds"].median()
            told = ", ".join(f"{name} {seconds:.3f} s" for name, seconds in medians.items())
            print(f"{shape.name:>22}  {told}", file=sys.stderr, flush=True)
            frames.append(frame)
            floors[shape.name] = grpo_floor(sizes, workload)
    return Measured(pd.concat(frames, ignore_index=True), floors)
