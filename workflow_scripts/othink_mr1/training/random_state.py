"""The state of all random number generators that training code, or a library under it, could draw from.

Ours draw from none of them: orders and samples are seeded by step. It is kept for what may come.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def random_tensors() -> dict[str, Tensor]:
    """States of torch's generators (CPU, and one per CUDA device), and of NumPy's global one."""
    name, keys, position, has_gauss, cached = np.random.get_state()
    assert name == "MT19937"
    tensors = {
        "torch": torch.get_rng_state(),
        "numpy_keys": torch.from_numpy(np.asarray(keys, np.int64)),
        "numpy_rest": torch.tensor([position, has_gauss, cached], dtype=torch.float64),
    }
    states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return tensors | {f"cuda_{device}": state for device, state in enumerate(states)}


def python_random_state() -> list[Any]:
    """The state of Python's generator, as JSON."""
    version, numbers, gauss = random.getstate()
    return [version, list(numbers), gauss]


def restore_random(tensors: dict[str, Tensor], python: list[Any]) -> None:
    """Set all generators. A CUDA device that is not there now is left out."""
    torch.set_rng_state(tensors["torch"])
    position, has_gauss, cached = tensors["numpy_rest"].tolist()
    keys = tensors["numpy_keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(position), int(has_gauss), cached))
    version, numbers, gauss = python
    random.setstate((version, tuple(numbers), gauss))
    if torch.cuda.is_available():
        for device in range(torch.cuda.device_count()):
            if f"cuda_{device}" in tensors:
                torch.cuda.set_rng_state(tensors[f"cuda_{device}"], device)
