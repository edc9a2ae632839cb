"""Is the floor counted rightly? The formulas must give what torch counts in a plain forward."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.backbone import load_stock
from benchmarks.speed.floor import Sizes, head_products, layer_products, vision_linear_products
from benchmarks.speed.shapes import GRPO_SHAPES
from benchmarks.speed.workload import decoded, dialogue, grpo_workload
from othink_mr1.modeling.processor import load_processor


def check_floor(backbone: Path) -> None:
    """Compare on one prompt, attention's own products apart, which torch does not count on a CPU."""
    model, processor = load_stock(backbone), load_processor(backbone)
    sizes, shape = Sizes.of(model.config), GRPO_SHAPES[0]
    workload = grpo_workload(processor, shape)
    inputs = processor(
        text=[dialogue(processor, workload.texts[0])],
        images=decoded(workload.images[:1]),
        return_tensors="pt",
    )
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model(**inputs)
    counted = sum(
        operations
        for operator, operations in counter.get_flop_counts()["Global"].items()
        if "attention" not in str(operator)
    )
    expected = (
        vision_linear_products(sizes, shape.image_tokens)
        + layer_products(sizes, shape.prompt_tokens)
        + head_products(sizes, shape.prompt_tokens)
    )
    print(
        f"floor: {expected} operations by formula, {counted} by torch's counter",
        file=sys.stderr,
        flush=True,
    )
    if counted != expected:
        raise RuntimeError("the counted floor is wrong for this version of the model")
