"""Checks that tensors are finite: a diverged training must not be saved, loaded or tested."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor


def first_not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """Name of the first tensor with nan or an infinity, or None. One reduction per tensor, no copies."""
    for name, tensor in tensors.items():
        if not math.isfinite(torch.linalg.vector_norm(tensor.detach(), ord=math.inf).item()):
            return name
    return None
