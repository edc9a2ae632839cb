"""Where the time of this project's steps goes: operations by torch's profiler, on S3 and on SFT at 224².

    PYTHONPATH=workflow_scripts python -m benchmarks.speed.profile_steps

The profiler itself makes a step of many small operations some 10 to 30 % slower.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.speed.backbone import make_backbone
from benchmarks.speed.ours import OursGRPO, OursSupervised
from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.shapes import GRPO_SHAPES, SUPERVISED_SHAPES
from benchmarks.speed.workload import grpo_workload, supervised_workload
from othink_mr1.modeling.processor import load_processor

THREADS = 2
OPERATIONS = 12


def main() -> None:
    """Print a table per step."""
    torch.set_num_threads(THREADS)
    with tempfile.TemporaryDirectory(prefix="profile-") as scratch:
        backbone = Path(scratch) / "backbone"
        make_backbone(backbone)
        processor = load_processor(backbone)
        shape = next(shape for shape in GRPO_SHAPES if shape.name == "S3")
        grpo, grpo_work = OursGRPO(backbone, shape), grpo_workload(processor, shape)
        show("S3", lambda: grpo.step(grpo_work, PhaseClock()))
        supervised_shape = SUPERVISED_SHAPES[0]
        supervised = OursSupervised(backbone)
        supervised_work = supervised_workload(processor, supervised_shape)
        show(supervised_shape.name, lambda: supervised.step(supervised_work, PhaseClock()))


def show(name: str, step: Callable[[], None]) -> None:
    """Two steps to warm up, one under the profiler; a markdown table of the operations' own time."""
    for _ in range(2):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        step()
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    print(f"\n{name}: {whole / 1e3:.0f} ms\n\n| operation | calls | ms | share |\n|---|---|---|---|")
    for event in events[:OPERATIONS]:
        own = event.self_cpu_time_total
        print(f"| {event.key} | {event.count} | {own / 1e3:.1f} | {own / whole:.1%} |")
    rest = events[OPERATIONS:]
    own = sum(event.self_cpu_time_total for event in rest)
    print(f"| all others | {sum(event.count for event in rest)} | {own / 1e3:.1f} | {own / whole:.1%} |")


if __name__ == "__main__":
    main()
