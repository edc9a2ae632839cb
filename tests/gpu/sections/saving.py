"""How fast a training's state gets from the card to the disk, and back, and how long the training waits."""

from __future__ import annotations

import hashlib
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from gpu.backbones import make_model, make_processor
from gpu.record import Record
from gpu.shapes import Shapes
from gpu.timing import median_seconds, seconds_of
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.background_saving import BackgroundWriter, HostCopy
from othink_mr1.training.optimisation import Optimisation
from othink_mr1.training.training_state import (
    Carried,
    require_finite_state,
    restore_state,
    verify_state,
    write_state,
)
from tiny import sft_settings

STATE_GB = 26.5  # Qwen2-VL-2B: fp32 weights and AdamW's two moments


def run(record: Record, shapes: Shapes) -> None:
    """Save, check and restore the state of a model with fewer layers, and what that is made of."""
    # A small vision tower and few layers, so that it takes seconds.
    sizes = shapes.backbone | {"vision_config": shapes.correctness["vision_config"]}
    model = make_model(sizes, make_processor(), shapes.device, shapes.saved_layers)
    optimisation = Optimisation(new_accelerator(shapes.device.type), model, sft_settings())

    def update() -> None:
        for weight in model.parameters():
            weight.grad = torch.full_like(weight, 1e-3)
        optimisation.update(1)

    update()
    gigabytes = optimisation.state_bytes() / 1e9
    host_copy = HostCopy()
    # The first copy allocates the memory, which is pinned on a GPU.
    first = seconds_of(lambda: host_copy.of(optimisation.tensors()), shapes.device)
    copying = min(seconds_of(lambda: host_copy.of(optimisation.tensors()), shapes.device) for _ in range(3))
    checking = seconds_of(lambda: require_finite_state(Path("state"), optimisation), shapes.device)
    tensors = host_copy.of(optimisation.tensors())
    before = [weight.detach().clone() for weight in model.parameters()]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as scratch:  # the results' disk, not one in memory
        folder = Path(scratch) / "state"
        folder.mkdir()

        def save() -> None:
            write_state(folder, tensors, Carried(), b"", {})

        saving = seconds_of(save, shapes.device)
        slower = _seconds_beside(save, update, shapes.device) / median_seconds(update, shapes.device)
        reading = seconds_of(lambda: verify_state(folder), shapes.device)
        with torch.no_grad():
            for weight in model.parameters():
                weight.zero_()
        restoring = seconds_of(lambda: restore_state(folder, optimisation), shapes.device)
        largest = max(folder.iterdir(), key=lambda file: file.stat().st_size)
        started = time.perf_counter()
        with largest.open("rb") as stream:
            hashlib.file_digest(stream, "sha256")
        hashing = time.perf_counter() - started
        hashed = largest.stat().st_size / 1e9
    same = all(torch.equal(weight, old) for weight, old in zip(model.parameters(), before, strict=True))
    record.true(the_restored_state_is_the_saved_one=same)
    record.note(
        state_gb=gigabytes,
        saving_gb_per_second=gigabytes / saving,
        first_copy_seconds=first,
        copy_seconds=copying,
        copy_gb_per_second=gigabytes / copying,
        finite_check_seconds=checking,
        training_waits_seconds_of_the_2b_model=STATE_GB / gigabytes * (copying + checking),
        update_beside_a_write_by_alone=slower,
        checking_gb_per_second=gigabytes / reading,
        restoring_gb_per_second=gigabytes / restoring,
        sha256_gb_per_second=hashed / hashing,
        writing_seconds_of_the_2b_model=STATE_GB / gigabytes * saving,
    )
    if shapes.device.type == "cuda":
        _time_transfers(record, shapes.device)


def _seconds_beside(save: Callable[[], None], update: Callable[[], None], device: torch.device) -> float:
    """Median seconds of an update while the writer's thread saves."""
    times = []
    with BackgroundWriter() as writer:
        writer.start(save)
        while not times or not writer.is_free():
            times.append(seconds_of(update, device))
    return statistics.median(times)


def _time_transfers(record: Record, device: torch.device) -> None:
    """From the card into ordinary and into pinned memory."""
    source = torch.empty(2**30, dtype=torch.uint8, device=device)
    for kind in ("ordinary", "pinned"):
        target = torch.empty(2**30, dtype=torch.uint8, pin_memory=kind == "pinned")
        target.copy_(source)
        seconds = seconds_of(lambda target=target: target.copy_(source), device)
        record.note(**{f"to_{kind}_memory_gb_per_second": source.numel() / 1e9 / seconds})
