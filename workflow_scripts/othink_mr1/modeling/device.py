"""The computing device: its choice, its threads, and its entry in manifests."""

from __future__ import annotations

import platform
import time
from typing import Any

import torch

from othink_mr1.config.execution import DeviceResources
from othink_mr1.errors import UserError
from othink_mr1.modeling.own_card import take_card


class Stopwatch:
    """Wall time of a job, for its manifest."""

    def __init__(self, execution: DeviceResources, earlier_seconds: float = 0.0) -> None:
        """earlier_seconds: spent by the interrupted attempts from which this one resumes."""
        self._execution = execution
        self._started = time.monotonic() - earlier_seconds

    def seconds(self) -> float:
        return round(time.monotonic() - self._started, 3)

    def facts(self) -> dict[str, Any]:
        """The manifest's device, execution, threads, cpu_capability, wall_seconds and gpu_hours."""
        seconds = self.seconds()
        return {
            "device": _device_name(self._execution.device),
            "execution": self._execution.model_dump(mode="json"),
            "threads": torch.get_num_threads(),
            # Determines torch's choice of kernels: another one rounds differently.
            "cpu_capability": torch.backends.cpu.get_cpu_capability(),
            "wall_seconds": seconds,
            "gpu_hours": round(seconds / 3600 * self._execution.gpus * self._execution.nodes, 6),
        }


def use_device(execution: DeviceResources) -> None:
    """Take a card if the job has one, check that the device is there, and set the number of threads.

    Rounding depends on the threads.
    """
    if execution.gpus:
        take_card()
    if execution.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "execution.device: cuda, but this machine shows no GPU; set it to cpu or run on a GPU machine"
        )
    torch.set_num_threads(execution.cpus_per_process)


def _device_name(device: str) -> str:
    return torch.cuda.get_device_name() if device == "cuda" else f"cpu ({platform.machine()})"
