"""Which of torch's kernels attention gets, whether they agree, and what a new shape costs.

The study's kernel on a GPU in bf16 is flash attention of sequences of any length. Padded batches, which it
replaced, leave torch the choice: on new cards cuDNN, which plans each shape anew.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from gpu.backbones import make_model, make_pictures, make_processor, make_prompts
from gpu.record import Record
from gpu.shapes import Shapes
from gpu.timing import attention_operators, host_mb, synchronize
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.packed_attention import AttentionLayout, attention_layout
from othink_mr1.modeling.packed_rows import image_features
from othink_mr1.modeling.padded_attention import PaddedLayout
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.row_layout import RowLayout, row_layout

GROUP = 8
# Relative, of two kernels that both round to bf16's 8 bits.
BETWEEN_KERNELS = 0.02
MakeLayout = Callable[[RowLayout, torch.device], AttentionLayout]


def run(record: Record, shapes: Shapes) -> None:
    """Compare the study's kernel with padded batches; name the operators; time new shapes."""
    tokens = shapes.attention_tokens
    groups = [(tokens, [tokens] * GROUP), (tokens + 3, [7, tokens, 1])]
    _compare(record, shapes, groups)
    record.note(
        operators_of_a_group=attention_operators(
            _attention(shapes, groups[:1], attention_layout), shapes.device
        ),
        operators_of_prompts_alone=attention_operators(
            _attention(shapes, [(tokens, [])] * 4, attention_layout), shapes.device
        ),
        operators_of_the_vision_tower=attention_operators(_vision_tower(shapes), shapes.device),
    )
    _time_new_shapes(record, shapes, "own", attention_layout)
    if shapes.device.type == "cuda":
        _time_new_shapes(record, shapes, "padded", PaddedLayout.of)


def _inputs(shapes: Shapes, layout: RowLayout) -> list[Tensor]:
    """Query, key and value of a row, in bf16; always the same."""
    text = shapes.backbone["text_config"]
    heads, kv_heads = text["num_attention_heads"], text["num_key_value_heads"]
    size = text["hidden_size"] // heads
    torch.manual_seed(0)
    return [
        torch.randn(
            layout.tokens, count, size, device=shapes.device, dtype=torch.bfloat16, requires_grad=True
        )
        for count in (heads, kv_heads, kv_heads)
    ]


def _compare(record: Record, shapes: Shapes, groups: list[tuple[int, list[int]]]) -> None:
    layout = row_layout(groups)
    found = []
    for make in (attention_layout, PaddedLayout.of):
        inputs = _inputs(shapes, layout)
        out = make(layout, shapes.device).attend(*inputs, inputs[0].shape[-1] ** -0.5)
        weights = torch.linspace(-1, 1, out.numel(), device=shapes.device).view_as(out)
        (out * weights).sum().backward()
        found.append([out.detach(), *(states.grad for states in inputs)])
    names = ("output", "query_gradient", "key_gradient", "value_gradient")
    for name, own, padded in zip(names, *found, strict=True):
        distance = float((own.float() - padded.float()).norm() / padded.float().norm())
        record.at_most(BETWEEN_KERNELS, **{f"{name}_difference_from_padded": distance})


def _attention(shapes: Shapes, groups: list[tuple[int, list[int]]], make: MakeLayout) -> Callable[[], None]:
    """Attention of a packed row, forward and backward."""
    layout = row_layout(groups)
    ready = make(layout, shapes.device)
    inputs = _inputs(shapes, layout)

    def attend() -> None:
        ready.attend(*inputs, inputs[0].shape[-1] ** -0.5).sum().backward()

    return attend


def _vision_tower(shapes: Shapes) -> Callable[[], object]:
    processor = make_processor()
    model = make_model(shapes.correctness, processor, shapes.device)
    use_own_kernels(model)
    prompts = make_prompts(model, processor, make_pictures(2, shapes.picture))
    pixels = torch.cat([prompt.pixel_values for prompt in prompts]).to(shapes.device)
    grids = torch.cat([prompt.image_grid for prompt in prompts]).to(shapes.device)

    def encode() -> object:
        with torch.no_grad(), autocast("bf16", shapes.device):
            return image_features(model, pixels, grids)

    return encode


def _time_new_shapes(record: Record, shapes: Shapes, name: str, make: MakeLayout) -> None:
    """Median ms of a first and of a second call per shape, and the host's memory that all of them took."""
    first, second = [], []
    before = host_mb()
    for more in range(1, shapes.attention_shapes + 1):
        tokens = shapes.attention_tokens + more
        attend = _attention(shapes, [(tokens, [tokens] * GROUP)], make)
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
