"""Versions, and the speed that everything else is compared with."""

from __future__ import annotations

import importlib.metadata
import os
import platform

import torch

from gpu.record import Record
from gpu.shapes import Shapes
from gpu.timing import bf16_peak, host_mb, median_seconds

PACKAGES = ("torch", "transformers", "accelerate", "trl", "numpy", "tokenizers", "huggingface_hub")


def run(record: Record, shapes: Shapes) -> None:
    """Note machine and versions; measure products of bf16 and copies within the device's memory."""
    found = {
        package: importlib.metadata.version(package)
        for package in PACKAGES
        if any(importlib.metadata.distributions(name=package))
    }
    record.note(
        python=platform.python_version(), packages=found, cores=os.cpu_count(), host_mb_at_start=host_mb()
    )
    if shapes.device.type == "cuda":
        card = torch.cuda.get_device_properties(0)
        record.note(
            card=card.name,
            card_gb=card.total_memory / 1e9,
            cuda=torch.version.cuda,
            cudnn=torch.backends.cudnn.version(),
            tf32_products=torch.backends.cuda.matmul.allow_tf32,
            cudnn_attention_last=os.environ.get("TORCH_CUDNN_SDPA_DEPRIORITIZED"),
        )
    record.note(bf16_tflops=bf16_peak(shapes.device, shapes.peak_rows) / 1e12)
    source = torch.empty(shapes.copy_bytes, dtype=torch.uint8, device=shapes.device)
    target = torch.empty_like(source)
    seconds = median_seconds(lambda: target.copy_(source), shapes.device)
    record.note(copy_tb_per_second=2 * shapes.copy_bytes / seconds / 1e12)  # read and written
