"""The precision of arithmetic."""

from __future__ import annotations

import torch


def autocast(precision: str, device: torch.device, keeps_casts: bool = True) -> torch.autocast:
    """The arithmetic's precision (`fp32`, `bf16`); weights, losses and optimiser state stay fp32.

    keeps_casts: weights that are used again are not cast again.
    """
    is_bf16 = precision == "bf16"
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=is_bf16, cache_enabled=keeps_casts)


def products_dtype(device: torch.device) -> torch.dtype:
    """The type in which matrix products are computed at present: autocast's, or fp32."""
    return torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else torch.float32
