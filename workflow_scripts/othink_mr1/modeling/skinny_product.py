"""Products of a few rows with a weight matrix, as in decoding."""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Columns that one of the batched products computes.
BLOCK = 64


class SkinnyProduct:
    """x W' for x [rows, in] and W [out, in], with W copied into the best memory order for the device.

    MKL splits a product of a few rows badly among threads. A batched product over blocks of columns, whose
    batch torch splits, is 1.2 to 2.2 times as fast (benchmarks/own_kernels.py). With one thread, and on a GPU
    (not measured), the plain product is used.
    """

    def __init__(self, weight: Tensor, dtype: torch.dtype) -> None:
        outputs = len(weight)
        block = math.gcd(outputs, BLOCK)
        self._outputs = outputs
        weight = weight.detach().to(dtype)
        if weight.device.type == "cpu" and torch.get_num_threads() > 1 and block > BLOCK // 4:
            # [blocks, in, block]
            self._weight = weight.view(outputs // block, block, -1).transpose(1, 2).contiguous()
        else:
            self._weight = weight.t().contiguous()  # [in, out]

    def __call__(self, x: Tensor) -> Tensor:
        """[rows, in] -> [rows, out]."""
        if self._weight.ndim == 2:
            return x @ self._weight
        blocks = torch.bmm(x.expand(len(self._weight), -1, -1), self._weight)  # [blocks, rows, block]
        return blocks.transpose(0, 1).reshape(len(x), self._outputs)
