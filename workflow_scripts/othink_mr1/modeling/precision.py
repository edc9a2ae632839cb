"""The precision of arithmetic."""

from __future__ import annotations

import torch


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The arithmetic's precision (`fp32`, `bf16`); weights, losses and optimiser state stay fp32."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
