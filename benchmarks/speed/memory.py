"""Peak memory of one whole GRPO step, in a process of its own per system and shape.

In one process the allocator's leftovers of one system would be taken for the next one's need.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from benchmarks.speed.shapes import GRPOShape


def measure_memory(
    backbone: Path, scratch: Path, shapes: Sequence[GRPOShape], systems: Sequence[str]
) -> pd.DataFrame:
    """One row per shape and system: memory before the step, growth to its peak, growth over ours; in MB."""
    rows = []
    for shape in shapes:
        of_shape = {name: _in_process(name, backbone, scratch, shape) for name in systems}
        for system, values in of_shape.items():
            growth = values["growth_megabytes"]
            ratio = growth / of_shape["ours"]["growth_megabytes"]
            rows.append({"case": shape.name, "system": system, **values, "ratio": ratio})
            print(f"{shape.name:>22} {system:>16}  grows by {growth:.0f} MB  x{ratio:.2f}", file=sys.stderr)
    return pd.DataFrame(rows)


def _in_process(system: str, backbone: Path, scratch: Path, shape: GRPOShape) -> dict[str, float]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.speed.memory_probe",
        *("--system", system, "--shape", json.dumps(asdict(shape))),
        *("--backbone", str(backbone), "--scratch", str(scratch)),
        *("--threads", str(torch.get_num_threads())),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"measuring the memory of {system} on {shape.name} failed:\n{done.stderr}")
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values
