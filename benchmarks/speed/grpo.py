"""One GRPO step of every system, shape by shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.speed.agreement import check_grpo
from benchmarks.speed.backbone import load_stock
from benchmarks.speed.floor import Sizes, grpo_floor
from benchmarks.speed.ours import OursGRPO
from benchmarks.speed.r1v_grpo import R1VGRPO
from benchmarks.speed.rounds import interleaved
from benchmarks.speed.shapes import GRPOShape
from benchmarks.speed.systems import GRPOSystem
from benchmarks.speed.trl_grpo import TRLGRPO
from benchmarks.speed.workload import GRPOWorkload, grpo_workload
from othink_mr1.modeling.processor import load_processor

SYSTEMS = ("ours", "trl", "r1v")


@dataclass(frozen=True)
class Measured:
    """Rounds of some cases, and each case's floor in operations."""

    rounds: pd.DataFrame
    floors: dict[str, int]


def make_system(name: str, backbone: Path, scratch: Path, shape: GRPOShape) -> GRPOSystem:
    """One of SYSTEMS, ready to step on workloads of this shape."""
    if name == "ours":
        return OursGRPO(backbone, shape)
    if name == "trl":
        return TRLGRPO(backbone, scratch, shape)
    assert name == "r1v"
    return R1VGRPO(backbone, shape)


def measure_grpo(backbone: Path, scratch: Path, shapes: Sequence[GRPOShape], rounds: int) -> Measured:
    """Check that the systems agree on each shape, then time them."""
    processor = load_processor(backbone)
    model = load_stock(backbone)
    initial, sizes = model.state_dict(), Sizes.of(model.config)
    frames, floors = [], {}
    for shape in shapes:
        workload = grpo_workload(processor, shape)
        systems = {name: make_system(name, backbone, scratch, shape) for name in SYSTEMS}
        check_grpo(systems, workload, processor, initial)
        frames.append(time_grpo(systems, workload, rounds))
        floors[shape.name] = grpo_floor(sizes, workload)
    return Measured(pd.concat(frames, ignore_index=True), floors)


def time_grpo(
    systems: dict[str, GRPOSystem], workload: GRPOWorkload, rounds: int, enough_seconds: float = math.inf
) -> pd.DataFrame:
    """Interleaved rounds of the systems on one workload."""
    steps = {
        name: lambda clock, system=system: system.step(workload, clock) for name, system in systems.items()
    }
    return interleaved(workload.shape.name, steps, rounds, enough_seconds)
