"""A GPU's work for a token of a rollout and for a row of an update: kernel launches, and bytes moved.

    PYTHONPATH=workflow_scripts:tests python -m benchmarks.launches > docs/launches.md

Counted on tensors without memory (torch's meta device), at the sizes of Qwen2-VL-2B: nothing is computed.
A launch is an operator that is not a view. Its bytes are those of the tensors that it reads and writes, each
once. A GPU may fuse nothing here, so kernels are at least as many; some operators are several kernels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves

import plain_flash
from gpu.backbones import make_backbone, make_model, make_pictures, make_processor, make_prompts
from gpu.shapes import study_shapes, tiny_shapes
from othink_mr1.modeling import decoding, fixed_batch, padded_attention, token_step, varlen_attention
from othink_mr1.modeling.decoding import decode
from othink_mr1.modeling.fixed_batch import FixedBatch
from othink_mr1.modeling.fixed_cache import FixedCache
from othink_mr1.modeling.own_kernels import use_own_kernels
from othink_mr1.modeling.padded_attention import PaddedLayout
from othink_mr1.modeling.prompts import Prompt
from othink_mr1.modeling.row_layout import row_layout
from othink_mr1.modeling.shared_prompt_cache import SharedPromptCache
from othink_mr1.modeling.token_step import TokenStep
from othink_mr1.modeling.varlen_attention import VarlenLayout
from othink_mr1.training.sampling import Sampler, uniform_numbers

META = torch.device("meta")
PROMPTS, GROUP, PROMPT_TOKENS, OWN_TOKENS, LONGEST = 16, 8, 220, 128, 512
# A row of an update: 8,192 tokens, as in config.yaml.
GROUPS_IN_A_ROW, ANSWERS = 4, [130, 170, 190, 210, 230, 250, 300, 320]
HEADS, KV_HEADS, HEAD_SIZE, LAYERS = 12, 2, 128, 28
TOKENS_OF_A_STEP = 350  # of the longest completion; an assumption
H100_BYTES_PER_SECOND = 3.0e12  # its data sheet's 3.35 TB/s, less what no copy reaches


@dataclass
class Count(TorchDispatchMode):
    """Launches by operator, and the bytes of all."""

    launches: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func).removeprefix("aten.").partition(".")[0]
        if not func.is_view and name not in ("empty", "empty_like", "new_empty", "_to_copy_"):
            self.launches[name] += 1
            self.bytes += self._bytes(name, args, kwargs or {}, result)
        return result

    def _bytes(self, name: str, args: Any, kwargs: Any, result: Any) -> int:
        if name in ("index_select", "embedding", "gather", "index"):
            return 2 * _size(result)
        if name in ("index_copy_", "index_fill_", "scatter_"):
            return 2 * _size(args[3]) if isinstance(args[3], Tensor) else _size(args[2])
        if name == "_flash_attention_forward" and kwargs.get("seqused_k") is not None:
            query, key = args[:2]
            sequences = len(kwargs["seqused_k"])
            per_token = 2 * key[0].numel() * key.element_size()
            own = len(query) == sequences
            read = sequences * (OWN_TOKENS if own else PROMPT_TOKENS) * per_token
            return read + _size(query) + _size(result)
        return sum(map(_size, tree_leaves((args, kwargs, result))))

    @property
    def total(self) -> int:
        """All launches."""
        return sum(self.launches.values())


def _size(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(map(_size, value))
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 0


def count(function: Callable[[], object]) -> Count:
    """What one call launches."""
    counting = Count()
    with counting:
        function()
    return counting


class OneToken:
    """A token of 16 x 8 sequences in the middle of a rollout."""

    def __init__(self, model: Any) -> None:
        # Autocast does not know the meta device.
        with patch.object(token_step, "products_dtype", lambda device: torch.bfloat16):
            self._steps = {fused: TokenStep(model, fused) for fused in (False, True)}
        config = model.config.text_config
        self._config = config
        self._sizes = (
            config.num_hidden_layers,
            config.num_key_value_heads,
            config.hidden_size // config.num_attention_heads,
        )
        self._rows = torch.zeros(PROMPTS * GROUP, dtype=torch.long, device=META)
        self.weights = (
            sum(
                weight.numel() * 2
                for layer in model.model.language_model.layers
                for weight in layer.parameters()
            )
            + 2 * model.lm_head.weight.numel()
        )

    def _prompts(self) -> list[Tensor]:
        layers, kv_heads, size = self._sizes
        return [torch.empty(layers, kv_heads, PROMPT_TOKENS, size, device=META)] * PROMPTS

    def growing(self) -> Count:
        """With the cache that grows, of the CPU."""
        cache = SharedPromptCache(*self._sizes, PROMPTS, GROUP, LONGEST, META)
        cache.put_prompts(range(PROMPTS), self._prompts(), self._prompts())
        places = torch.empty(PROMPTS * GROUP, dtype=torch.long, device=META)
        cache.set_sequences(places, self._rows, 0)
        for _ in range(OWN_TOKENS):
            cache.begin_token()
        return count(lambda: self._steps[False](self._rows, self._rows, cache))

    def fixed(self) -> Count:
        """With the cache of fixed shape."""
        cache = FixedCache(*self._sizes, PROMPTS, GROUP, 256, LONGEST, torch.bfloat16, META)
        # Torch's norm is one kernel on a GPU (aten::_fused_rms_norm), and several operators elsewhere.
        with patch.object(torch, "rms_norm", lambda x, shape, eps: x.clone()):
            return count(lambda: self._steps[True](self._rows, self._rows, cache))

    def sampler(self) -> Count:
        """Choosing each sequence's token."""
        vocabulary = self._config.vocab_size
        uniform = torch.empty(PROMPTS * GROUP, LONGEST, dtype=torch.float64, device=META)
        sampler = Sampler(uniform, 1.0, 0, [], vocabulary, vocabulary)
        logits = torch.empty(PROMPTS * GROUP, vocabulary, device=META)
        return count(lambda: sampler(logits, self._rows, self._rows))

    def floor_bytes(self) -> int:
        """The weights and the keys and values in use, each read once, in bf16."""
        layers, kv_heads, size = self._sizes
        tokens = PROMPTS * PROMPT_TOKENS + PROMPTS * GROUP * OWN_TOKENS
        return self.weights + 2 * 2 * layers * kv_heads * size * tokens


def attention_of_a_row(kind: type[VarlenLayout] | type[PaddedLayout]) -> tuple[Count, Count]:
    """One layer's attention in a row of groups: forward, and forward with backward."""
    layout = row_layout([(PROMPT_TOKENS, ANSWERS)] * GROUPS_IN_A_ROW)
    query, key, value = (
        torch.empty(layout.tokens, heads, HEAD_SIZE, device=META, dtype=torch.bfloat16, requires_grad=True)
        for heads in (HEADS, KV_HEADS, KV_HEADS)
    )
    ready = kind.of(layout, META)
    # One kernel each way; on the meta device it would be several operators.
    with patch.object(padded_attention, "scaled_dot_product_attention", _one_kernel_each_way):
        forward = count(lambda: ready.attend(query, key, value, HEAD_SIZE**-0.5))
        both = count(lambda: ready.attend(query, key, value, HEAD_SIZE**-0.5).sum().backward())
    return forward, both


def _one_kernel_each_way(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> Tensor:
    return query * 1


def outside_the_graph(model: Any, prompts: Sequence[Prompt], tokens: int) -> float:
    """Launches per token of a rollout that no graph holds, counted in a real one on the CPU.

    The model may be of any size. flash attention, which the CPU lacks, must be replaced by the caller.
    """
    counting = Count()
    vocabulary = model.config.text_config.vocab_size
    recorded, step = fixed_batch._recorded, FixedBatch.step

    def without(*arguments: Any) -> Callable[[], Tensor]:
        in_the_graph = recorded(*arguments)

        def call() -> Tensor:
            with _disable_current_modes():
                return in_the_graph()

        return call

    def counted(batch: FixedBatch) -> None:
        with counting:
            step(batch)

    sampler = Sampler(uniform_numbers(1, 1, len(prompts), GROUP, tokens), 1.0, 0, [], vocabulary, vocabulary)
    with (
        patch.object(decoding, "flash_takes", lambda device, dtype: True),
        patch.object(fixed_batch, "_recorded", without),
        patch.object(FixedBatch, "step", counted),
    ):
        decode(model, prompts, GROUP, tokens, [], sampler)
    return counting.total / (tokens - 1) + 1  # the graph


def main() -> None:
    """Print the page."""
    processor = make_processor()
    model = make_model(study_shapes().backbone, processor, META)
    use_own_kernels(model)
    token = OneToken(model)
    growing, fixed, sampler = token.growing(), token.fixed(), token.sampler()
    small = make_backbone(tiny_shapes(), processor)
    with (
        patch.object(varlen_attention, "_forward", plain_flash.forward),
        patch.object(varlen_attention, "_backward", plain_flash.backward),
    ):
        outside = outside_the_graph(
            small, make_prompts(small, processor, make_pictures(2, tiny_shapes().picture)), 33
        )
    (padded_forward, padded), (varlen_forward, varlen) = (
        attention_of_a_row(kind) for kind in (PaddedLayout, VarlenLayout)
    )
    # The reference's forward, and one that gradient checkpointing repeats.
    passes = LAYERS * PROMPTS // GROUPS_IN_A_ROW
    padded_step = passes * (2 * padded_forward.total + padded.total)
    varlen_step = passes * (2 * varlen_forward.total + varlen.total)
    floor = token.floor_bytes()

    def ms(moved: float) -> str:
        return f"{1e3 * moved / H100_BYTES_PER_SECOND:.1f}"

    def gb(moved: float) -> str:
        return f"{moved / 1e9:.2f}"

    before, after = growing.bytes + sampler.bytes, fixed.bytes + sampler.bytes
    print(
        PAGE.format(
            prompts=PROMPTS,
            group=GROUP,
            prompt_tokens=PROMPT_TOKENS,
            own_tokens=OWN_TOKENS,
            growing=growing.total + sampler.total,
            outside=outside,
            in_graph=fixed.total,
            before=gb(before),
            after=gb(after),
            floor=gb(floor),
            before_ms=ms(before),
            after_ms=ms(after),
            floor_ms=ms(floor),
            sampler=gb(sampler.bytes),
            groups=GROUPS_IN_A_ROW,
            answers=f"{min(ANSWERS)} to {max(ANSWERS)}",
            padded=padded.total,
            varlen=varlen.total,
            padded_mb=f"{padded.bytes / 1e6:,.0f}",
            varlen_mb=f"{varlen.bytes / 1e6:,.0f}",
            tokens=TOKENS_OF_A_STEP,
            rollout_before=f"{TOKENS_OF_A_STEP * (growing.total + sampler.total):,}",
            rollout_now=f"{TOKENS_OF_A_STEP * outside:,.0f}",
            rollout_before_tb=f"{TOKENS_OF_A_STEP * before / 1e12:.1f}",
            rollout_now_tb=f"{TOKENS_OF_A_STEP * after / 1e12:.1f}",
            rollout_floor_tb=f"{TOKENS_OF_A_STEP * floor / 1e12:.1f}",
            padded_step=f"{padded_step:,}",
            varlen_step=f"{varlen_step:,}",
        ),
        end="",
    )


PAGE = """\
# Launches and bytes on a GPU

What a GPU has to do for one token of a rollout and for one layer of an update, counted on a CPU: operators
that are not views, and the bytes of the tensors that they read and write. Sizes are those of Qwen2-VL-2B.
This page was written by

```sh
PYTHONPATH=workflow_scripts:tests python -m benchmarks.launches > docs/launches.md
```

**Nothing here was measured on a GPU.** There may be more kernels than operators. `make gpu-check` counts the
kernels of a real token (docs/gpu.md). Times are the bytes divided by 3.0 TB/s, about what an H100 reaches.

## One token of a rollout

{prompts} prompts of {prompt_tokens} tokens, {group} completions of each, {own_tokens} tokens long so far;
products in bf16.

| | launched by the CPU | in the graph | GB moved | at 3 TB/s |
| --- | --- | --- | --- | --- |
| a cache that grows, fp32, no graph (before) | {growing} | – | {before} | {before_ms} ms |
| a cache of fixed shape, bf16, a graph (now) | {outside:.0f} | {in_graph} | {after} | {after_ms} ms |
| floor: the weights, and the keys and values in use, once | | | {floor} | {floor_ms} ms |

A launch takes the CPU 5 to 10 µs, so without the graph the GPU waits for the CPU. In a graph a kernel starts
about 2 µs after the one before. The CPU waits for the GPU once in 8 tokens instead of at each. {sampler} GB
are the sampler's: the softmax and the cumulated sums over 151,936 tokens.

Keys and values are now in bf16, written in place, and read only as far as they are used. Flash attention
writes no scores. A norm is one kernel.

## Attention of one layer in an update

A row of {groups} groups: a prompt of {prompt_tokens} tokens and {group} completions of {answers} tokens.
Forward and backward.

| | launched | MB moved by them |
| --- | --- | --- |
| padded batches, keys repeated, a mask per group (before) | {padded} | {padded_mb} |
| sequences of any length, merged by log-sum-exp (now) | {varlen} | {varlen_mb} |

With padded batches, cuDNN would also plan each new shape (23 to 42 ms by public reports, docs/gpu.md). Flash
attention plans nothing. Each layer of the vision tower waited for the GPU three times and made a call per
picture; now the tower waits once, and each layer makes one call.

## One step of GRPO

{prompts} prompts, {group} completions of each, the longest of {tokens} tokens; rows of {groups} groups.
Not counted: what did not change (the other layers, the optimizer, the vision tower).

| | launched by the CPU: rollout | attention of reference and update | TB moved by the rollout |
| --- | --- | --- | --- |
| before | {rollout_before} | {padded_step} | {rollout_before_tb} |
| now | {rollout_now} | {varlen_step} | {rollout_now_tb} |
| floor | | | {rollout_floor_tb} |
"""


if __name__ == "__main__":
    main()
