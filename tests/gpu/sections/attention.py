"""Which of torch's kernels attention gets, and what a shape costs that was not there before.

torch may choose cuDNN on new cards, which plans each shape anew; flash and memory-efficient attention do not.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from gpu.backbones import make_model, make_pictures, make_processor, make_prompts
from gpu.record import Record
from gpu.shapes import Shapes
from gpu.timing import attention_operators, host_mb, synchronize
from othink_mr1.modeling.packed_attention import attention_layout
from othink_mr1.modeling.packed_rows import image_features
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.row_layout import row_layout

GROUP = 8
WITHOUT_PLANS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION]


def run(record: Record, shapes: Shapes) -> None:
    """Name the kernels of a group, of prompts alone and of the vision tower; time new shapes."""
    tokens = shapes.attention_tokens
    group = _attention(shapes, [(tokens, [tokens] * GROUP)])
    alone = _attention(shapes, [(tokens, [])] * 4)
    record.note(
        operators_of_a_group=attention_operators(group, shapes.device),
        operators_of_prompts_alone=attention_operators(alone, shapes.device),
        operators_of_the_vision_tower=attention_operators(_vision_tower(shapes), shapes.device),
    )
    _time_new_shapes(record, shapes, "default", contextlib.nullcontext)
    if shapes.device.type == "cuda":
        _time_new_shapes(record, shapes, "flash_or_efficient", lambda: sdpa_kernel(WITHOUT_PLANS))


def _attention(shapes: Shapes, groups: list[tuple[int, list[int]]]) -> Callable[[], None]:
    """Attention of a packed row, forward and backward, in bf16."""
    text = shapes.backbone["text_config"]
    heads, kv_heads = text["num_attention_heads"], text["num_key_value_heads"]
    size = text["hidden_size"] // heads
    layout = row_layout(groups)
    ready = attention_layout(layout, shapes.device)
    query, key, value = (
        torch.randn(
            layout.tokens, count, size, device=shapes.device, dtype=torch.bfloat16, requires_grad=True
        )
        for count in (heads, kv_heads, kv_heads)
    )

    def attend() -> None:
        ready.attend(query, key, value, size**-0.5).sum().backward()

    return attend


def _vision_tower(shapes: Shapes) -> Callable[[], object]:
    processor = make_processor()
    model = make_model(shapes.correctness, processor, shapes.device)
    prompts = make_prompts(model, processor, make_pictures(2, shapes.picture))
    pixels = torch.cat([prompt.pixel_values for prompt in prompts]).to(shapes.device)
    grids = torch.cat([prompt.image_grid for prompt in prompts]).to(shapes.device)

    def encode() -> object:
        with torch.no_grad(), autocast("bf16", shapes.device):
            return image_features(model, pixels, grids)

    return encode


def _time_new_shapes(
    record: Record, shapes: Shapes, name: str, kernels: Callable[[], contextlib.AbstractContextManager[None]]
) -> None:
    """Median ms of a first and of a second call per shape, and the host's memory that all of them took."""
    first, second = [], []
    before = host_mb()
    with kernels():
        for more in range(1, shapes.attention_shapes + 1):
            tokens = shapes.attention_tokens + more
            attend = _attention(shapes, [(tokens, [tokens] * GROUP)])
            for times in (first, second):
                synchronize(shapes.device)
                started = time.perf_counter()
                attend()
                synchronize(shapes.device)
                times.append(1e3 * (time.perf_counter() - started))
    record.note(
        **{
            f"new_shape_first_ms_{name}": statistics.median(first),
            f"new_shape_second_ms_{name}": statistics.median(second),
            f"new_shapes_{name}": shapes.attention_shapes,
            f"host_mb_for_new_shapes_{name}": host_mb() - before,
        }
    )
