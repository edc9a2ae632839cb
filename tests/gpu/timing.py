"""Time, memory and kernels of calls on a device."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

PAGE_BYTES = 4096


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds_of(function: Callable[[], object], device: torch.device) -> float:
    """Wall time of one call, the device's work included."""
    synchronize(device)
    started = time.perf_counter()
    function()
    synchronize(device)
    return time.perf_counter() - started


def median_seconds(function: Callable[[], object], device: torch.device, calls: int = 5) -> float:
    """Median over calls, after two that do not count."""
    for _ in range(2):
        function()
    return statistics.median(seconds_of(function, device) for _ in range(calls))


def bf16_peak(device: torch.device, rows: int) -> float:
    """Floating-point operations per second of a square bf16 product of random numbers.

    Of the layouts in which a layer's output and its two gradients are computed, the fastest: on a processor
    without bf16 one of them takes ten times as long as another.
    """
    square = torch.randn(rows, rows, device=device, dtype=torch.bfloat16)
    layouts = ((square, square.T), (square, square), (square.T, square))
    return 2 * rows**3 / min(median_seconds(lambda pair=pair: pair[0] @ pair[1], device) for pair in layouts)


def device_gb(device: torch.device) -> float:
    """GB that tensors take on the GPU now; 0 on the CPU."""
    return torch.cuda.memory_allocated() / 1e9 if device.type == "cuda" else 0.0


def begin_peak(device: torch.device) -> None:
    """Forget the largest use of memory so far."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gb(device: torch.device) -> float:
    """GB that tensors took at most since begin_peak; 0 on the CPU."""
    return torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0


def host_mb() -> float:
    """MB of host memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * PAGE_BYTES / 1e6


def attention_operators(function: Callable[[], object], device: torch.device) -> dict[str, int]:
    """Which of torch's attention operators a call ends in, and how often."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        function()
        synchronize(device)
    names = [event.name for event in profiled.events()]
    # The public function and the one that dispatches it stand around those that compute.
    around = ("aten::scaled_dot_product_attention",)
    of_attention = ("scaled_dot_product", "_flash_attention_", "_efficient_attention_", "_cudnn_attention_")
    found = Counter(
        name for name in names if any(part in name for part in of_attention) and name not in around
    )
    return {name.removeprefix("aten::_"): count for name, count in found.items()}


class TokenClock:
    """Wraps what chooses tokens in `decode`, which is called once per token, and takes the time of each.

    The device is waited for at every token, so a token's time is that of its launches or of its kernels,
    whichever is longer.
    """

    def __init__(
        self,
        choose: Callable[[Tensor, Tensor, Tensor], Tensor],
        device: torch.device,
        profiled_token: int | None = None,
    ) -> None:
        """profiled_token: number of the token whose kernels are counted."""
        self._choose, self._device, self._profiled_token = choose, device, profiled_token
        self._profile: profile | None = None
        self.times: list[float] = []  # when each token was to be chosen
        self.kernels: list[tuple[str, float]] = []  # of the profiled token: name and ms on the GPU
        self.launches = 0  # of the profiled token, by the CPU: a graph is one

    def __call__(self, logits: Tensor, sequences: Tensor, steps: Tensor) -> Tensor:
        """As `decode` calls it."""
        synchronize(self._device)
        self.times.append(time.perf_counter())
        if self._profile is not None:
            self._profile.__exit__(None, None, None)
            self.kernels = [
                (event.name, event.device_time / 1e3)
                for event in self._profile.events()
                if event.device_type == DeviceType.CUDA
            ]
            self.launches = sum("Launch" in event.name for event in self._profile.events())
            self._profile = None
        elif len(self.times) == self._profiled_token:
            self._profile = profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA])
            self._profile.__enter__()
        return self._choose(logits, sequences, steps)

    def token_ms(self) -> list[float]:
        """Milliseconds per token, without the first, which is the prompts'; the profiled one is left out."""
        spent = [1e3 * (end - start) for start, end in itertools.pairwise(self.times)]
        if self._profiled_token is not None:
            del spent[self._profiled_token - 1 : self._profiled_token + 1]
        return spent

    def largest_kernels(self, count: int) -> dict[str, float]:
        """The kernels of the profiled token that took longest, in ms."""
        total: Counter[str] = Counter()
        for name, spent in self.kernels:
            total[name[:70]] += spent
        return dict(total.most_common(count))
