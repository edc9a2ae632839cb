"""The state of all random number generators that training code, or a library under it, could draw from.

Ours draw from none of them: orders and samples are seeded by step. It is kept for what may come.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class RandomState:
    """tensors: of torch's generators (CPU, one per CUDA device) and NumPy's global one; python: as JSON."""

    tensors: dict[str, Tensor]
    python: list[Any]


def random_state() -> RandomState:
    """The state of all generators now."""
    name, keys, position, has_gauss, cached = np.random.get_state()
    assert name == "MT19937"
    tensors = {
        "torch": torch.get_rng_state(),
        "numpy_keys": torch.from_numpy(np.asarray(keys, np.int64)),
        "numpy_rest": torch.tensor([position, has_gauss, cached], dtype=torch.float64),
    }
    states = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    tensors |= {f"cuda_{device}": state for device, state in enumerate(states)}
    version, numbers, gauss = random.getstate()
    return RandomState(tensors, [version, list(numbers), gauss])


def restore_random(state: RandomState) -> None:
    """Set all generators. A CUDA device that is not there now is left out."""
    tensors = state.tensors
    torch.set_rng_state(tensors["torch"])
    position, has_gauss, cached = tensors["numpy_rest"].tolist()
    keys = tensors["numpy_keys"].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", keys, int(position), int(has_gauss), cached))
    version, numbers, gauss = state.python
    random.setstate((version, tuple(numbers), gauss))
    if torch.cuda.is_available():
        for device in range(torch.cuda.device_count()):
            if f"cuda_{device}" in tensors:
                torch.cuda.set_rng_state(tensors[f"cuda_{device}"], device)
