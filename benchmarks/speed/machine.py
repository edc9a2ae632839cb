"""The machine that measured: what it is, and how fast it multiplies matrices."""

from __future__ import annotations

import math
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from othink_mr1.artefacts.provenance import provenance

_PACKAGES = ("torch", "transformers", "trl", "accelerate", "numpy")
_MATRIX = 2048  # rows and columns


class SgemmPeak:
    """The best fp32 product of 2048 x 2048 matrices so far in this process.

    Another program on the machine makes a measurement too low, never too high; so measure now and then.
    """

    def __init__(self, products: int) -> None:
        """products: in each measurement."""
        self._products = products
        self._left, self._right = torch.rand(_MATRIX, _MATRIX), torch.rand(_MATRIX, _MATRIX)
        self._result = torch.empty(_MATRIX, _MATRIX)
        self._best_seconds = math.inf

    def measure(self) -> float:
        """Multiply some more. Returns the peak in floating-point operations per second."""
        for _ in range(self._products):
            started = time.perf_counter()
            torch.mm(self._left, self._right, out=self._result)
            self._best_seconds = min(self._best_seconds, time.perf_counter() - started)
        return 2 * _MATRIX**3 / self._best_seconds


def machine_facts() -> dict[str, Any]:
    """Processor, threads, versions, commit (with `+` when files differ from it)."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "memory_gb": round(_memory_bytes() / 1e9, 1),
        "python": platform.python_version(),
        "packages": {package: metadata.version(package) for package in _PACKAGES},
        "commit": provenance()["commit"],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def _memory_bytes() -> int:
    first = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()[0]  # MemTotal: … kB
    return int(first.split()[1]) * 1024
