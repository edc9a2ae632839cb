"""What the project's own kernels save on this machine's CPU, one by one: a line of JSON for each comparison.

    PYTHONPATH=workflow_scripts python benchmarks/own_kernels.py

Median milliseconds of interleaved repetitions, ours beside the usual way, with one thread and with two.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import torch
from torch.nn.functional import conv3d, cross_entropy, linear

from othink_mr1.modeling.flash_attention_cpu import FlashLayout
from othink_mr1.modeling.padded_attention import PaddedLayout
from othink_mr1.modeling.row_layout import row_layout
from othink_mr1.modeling.skinny_product import SkinnyProduct
from othink_mr1.training.log_probabilities import _TokenLogProbabilities

REPETITIONS = 41


def compare(name: str, ours: Callable[[], object], usual: Callable[[], object], **facts: object) -> None:
    """Time both, one after the other, and print the medians."""
    seconds: dict[str, list[float]] = {"ours": [], "usual": []}
    for repetition in range(REPETITIONS + 3):
        for label, function in (("ours", ours), ("usual", usual)):
            start = time.perf_counter()
            function()
            if repetition >= 3:
                seconds[label].append(time.perf_counter() - start)
    medians = {label: sorted(values)[REPETITIONS // 2] * 1000 for label, values in seconds.items()}
    ratio = round(medians["usual"] / medians["ours"], 2)
    line = {"what": name, **facts, "threads": torch.get_num_threads()}
    print(json.dumps({**line, **{k: round(v, 3) for k, v in medians.items()}, "ratio": ratio}))


@torch.no_grad()
def few_rows(rows: int) -> None:
    """All products of one token of the benchmarks' model: 4 layers of 256, vocabulary 2048."""
    shapes = [(512, 256), (256, 256), (1536, 256), (256, 768)] * 4 + [(2048, 256)]
    weights = [torch.randn(shape) for shape in shapes]
    inputs = {size: torch.randn(rows, size) for size in (256, 768)}
    products = [SkinnyProduct(weight, torch.float32) for weight in weights]
    compare(
        "products of few rows",
        lambda: [f(inputs[w.shape[1]]) for f, w in zip(products, weights, strict=True)],
        lambda: [linear(inputs[weight.shape[1]], weight) for weight in weights],
        rows=rows,
    )


def patch_embedding(patches: int) -> None:
    """Forward and backward, 128 outputs."""
    pixels = torch.randn(patches, 3 * 2 * 14 * 14)
    kernel = torch.randn(128, 3, 2, 14, 14, requires_grad=True)
    compare(
        "patch embedding",
        lambda: linear(pixels, kernel.flatten(1)).sum().backward(),
        lambda: conv3d(pixels.view(-1, 3, 2, 14, 14), kernel, stride=(2, 14, 14)).sum().backward(),
        patches=patches,
    )


def log_probabilities(tokens: int) -> None:
    """Forward and backward, hidden 256, vocabulary 2048."""
    hidden = torch.randn(tokens, 256, requires_grad=True)
    head = torch.randn(2048, 256, requires_grad=True)
    targets = torch.randint(0, 2048, (tokens,))
    compare(
        "log-probabilities",
        lambda: _TokenLogProbabilities.apply(hidden, head, targets, 1.0).sum().backward(),
        lambda: cross_entropy(hidden @ head.T, targets, reduction="none").sum().backward(),
        tokens=tokens,
    )


def attention(prompt: int, lengths: list[int]) -> None:
    """Forward and backward of two groups, 4 heads of 64, 2 for keys and values."""
    layout = row_layout([(prompt, lengths)] * 2)
    states = [torch.randn(layout.tokens, heads, 64, requires_grad=True) for heads in (4, 2, 2)]
    flash, padded = FlashLayout.of(layout), PaddedLayout.of(layout, torch.device("cpu"))
    compare(
        "attention, beside padded batches with a mask",
        lambda: flash.attend(*states, 0.125).sum().backward(),
        lambda: padded.attend(*states, 0.125).sum().backward(),
        prompt=prompt,
        completions=lengths,
    )


def main() -> None:
    """Measure and print."""
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for rows in (32, 16, 8, 2):
            few_rows(rows)
        patch_embedding(2048)
        log_probabilities(2048)
        attention(76, [256, 240, 200, 180, 140, 100, 70, 40])
        attention(316, [96, 80, 60, 50, 40, 30, 20, 10])
        attention(60, [30, 28, 25, 25, 24, 22, 20, 18])


if __name__ == "__main__":
    main()
