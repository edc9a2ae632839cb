"""The process whose memory is measured: a small step to warm up, then one whole step. Prints one JSON line.

Growth is the peak of the resident set (VmHWM, reset through /proc/self/clear_refs) during the step over the
resident set before it. Weights, reference, Adam's state and the libraries are there before.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import warnings
from pathlib import Path

import torch
import transformers

from benchmarks.speed.grpo import SYSTEMS, make_system
from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.shapes import WARM_UP, GRPOShape
from benchmarks.speed.workload import grpo_workload
from othink_mr1.modeling.processor import load_processor

KILOBYTES_PER_MEGABYTE = 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", choices=SYSTEMS, required=True)
    parser.add_argument("--shape", type=lambda text: GRPOShape(**json.loads(text)), required=True)
    parser.add_argument("--backbone", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(arguments.threads)

    shape: GRPOShape = arguments.shape
    processor = load_processor(arguments.backbone)
    system = make_system(arguments.system, arguments.backbone, arguments.scratch, shape)
    workload = grpo_workload(processor, shape)
    system.step(grpo_workload(processor, WARM_UP), PhaseClock())
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # free heap goes back to the system, not to the step
    before = _kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    system.step(workload, PhaseClock())
    growth = _kilobytes("VmHWM") - before
    print(
        json.dumps(
            {
                "before_megabytes": before / KILOBYTES_PER_MEGABYTE,
                "growth_megabytes": growth / KILOBYTES_PER_MEGABYTE,
            }
        )
    )


def _kilobytes(name: str) -> int:
    """A line of /proc/self/status, in units of 1024 bytes as the kernel gives it, turned into 1000 bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 // 1000
    raise AssertionError(f"/proc/self/status has no {name}")


if __name__ == "__main__":
    main()
