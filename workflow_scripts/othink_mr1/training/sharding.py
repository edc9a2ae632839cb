"""FSDP2: of each trained weight, its gradient and its moments, every process keeps one part.

The layers gather their weights when they compute, and give them back. What lies outside the layers, the
embedding with the head, the last norm, and the last layer (`predictor_states` calls its parts one by one), is
one group of the model's own. The vision tower is divided only if it is trained. A rollout gathers all weights
and frees them at its end, because processes then compute unequal numbers of tokens, without communication.

Casts to bf16 are not kept (`keeps_casts`), or every process would have all of them at the end of a pass. With
`gradient_checkpointing: false` autograd keeps them all the same.

All processes must reach each call of the functions here in one order. A model that is not sharded is left as
it is. accelerate's FSDP2 is not used: on a CPU, where our tests run, it shards nothing and does not say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType

from torch import Tensor
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.packed_rows import PackedRow
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.processes import Processes
from othink_mr1.training.log_probabilities import (
    OWN_FORWARD,
    completion_log_probabilities,
    log_probabilities_by,
)


def shard(model: Qwen2VLForConditionalGeneration, processes: Processes) -> None:
    """Divide the weights. Afterwards, only `completion_log_probabilities` computes with them.

    Copies of the model must be made before.
    """
    mesh = init_device_mesh(model.device.type, (processes.count,))
    vision = model.model.visual
    frozen = {weight for weight in vision.parameters() if not weight.requires_grad}
    for layer in [*model.model.language_model.layers[:-1], *([] if frozen else vision.blocks)]:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh, ignored_params=frozen)
    setattr(model, OWN_FORWARD, MethodType(log_probabilities_by, model))
    register_fsdp_forward_method(model, OWN_FORWARD)
    # Of all calls, FSDP2 wants one of the model itself first. A rollout calls its parts.
    model.begin = MethodType(lambda _: None, model)
    register_fsdp_forward_method(model, "begin")
    model.begin()
    model.reshard()  # the weights that the optimiser sees are parts


def is_sharded(model: Qwen2VLForConditionalGeneration) -> bool:
    """Whether the model's weights are divided."""
    return isinstance(model, FSDPModule)


@contextmanager
def adding_up_gradients(
    model: Qwen2VLForConditionalGeneration,
    passes: int,
    any_row: Callable[[], PackedRow],
    precision: str,
    processes: Processes,
) -> Iterator[None]:
    """Wrap so many backward passes of this process; afterwards the gradients are those of all processes.

    any_row: makes one of this process's rows.
    """
    if not is_sharded(model):
        yield
        processes.add_gradients(model.parameters())
        return
    # A pass needs the others' parts of the weights, so all processes make as many.
    missing = max(processes.joined([passes])) - passes
    yield
    for _ in range(missing):
        with autocast(precision, model.device, keeps_casts=False):
            nothing = completion_log_probabilities(model, any_row()).sum() * 0
        nothing.backward()
    for weight in model.parameters():
        if weight.grad is not None:
            weight.grad *= processes.count  # FSDP2 has taken the mean


@contextmanager
def whole_weights(model: Qwen2VLForConditionalGeneration) -> Iterator[None]:
    """Within the block every process has all weights, and can compute without the others."""
    parts = [module for module in model.modules() if isinstance(module, FSDPModule)]
    for part in parts:
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()
    yield
    for part in parts:
        # As torch has it: the outermost part's weights are needed again when the backward pass begins.
        part.set_reshard_after_forward(part is not model, recurse=False)
        part.reshard()


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor of which each process has a part; another one as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def part_like(tensor: Tensor, weight: Tensor) -> Tensor:
    """Of a tensor that every process has whole: the part that it has of the weight."""
    if not isinstance(weight, DTensor):
        return tensor
    return distribute_tensor(
        tensor.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None
    )


def gathered_weights(model: Qwen2VLForConditionalGeneration) -> Iterator[tuple[list[str], Tensor]]:
    """A sharded model's weights, whole, one after the other, each with its names: tied ones have two."""
    weights = model.state_dict(keep_vars=True)
    names: dict[int, list[str]] = {}
    for name, weight in weights.items():
        names.setdefault(id(weight), []).append(name)
    for own in names.values():
        yield own, whole(weights[own[0]].detach())
