"""Before anything is timed: do all systems make the same step? Nobody shall win by doing less."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from benchmarks.speed.backbone import VOCABULARY
from benchmarks.speed.systems import GRPOSystem
from benchmarks.speed.workload import GRPOWorkload
from othink_mr1.modeling.processor import Qwen2VLProcessor, stop_tokens

LARGEST_DIFFERENCE = 1e-4  # relative


class SystemsDisagree(Exception):
    """Two systems compute different losses or gradients from the same completions."""


def check_grpo(
    systems: Mapping[str, GRPOSystem],
    workload: GRPOWorkload,
    processor: Qwen2VLProcessor,
    initial: Mapping[str, Tensor],
) -> None:
    """Compare loss and gradient of every system on the same random completions with those of ours.

    The policies are moved away from the reference for it, so that the KL penalty counts, and back again.
    """
    completions = random_completions(processor, workload.lengths)
    moved = _moved(initial)
    results = {}
    for name, system in systems.items():
        system.set_policy(moved)
        results[name] = system.loss_and_gradient(workload, completions)
        system.set_policy(initial)
    compare(workload.shape.name, results)


def compare(case: str, results: Mapping[str, tuple[float, Mapping[str, Tensor]]]) -> None:
    """Print each system's relative distance from ours in loss and gradient; SystemsDisagree if large."""
    loss, gradients = results["ours"]
    own = torch.cat([gradients[name].flatten() for name in sorted(gradients)])
    for system, (other_loss, other_gradients) in results.items():
        if system == "ours":
            continue
        if set(other_gradients) != set(gradients):
            raise SystemsDisagree(f"{case}: {system} trains other weights than this project")
        other = torch.cat([other_gradients[name].flatten() for name in sorted(gradients)])
        of_loss = abs(other_loss - loss) / abs(loss)
        of_gradient = ((other - own).norm() / own.norm()).item()
        print(
            f"{case}: {system} differs by {of_loss:.1e} in the loss, {of_gradient:.1e} in the gradient",
            file=sys.stderr,
            flush=True,
        )
        # Not `>`: a nan must not pass.
        if not (of_loss <= LARGEST_DIFFERENCE and of_gradient <= LARGEST_DIFFERENCE):
            raise SystemsDisagree(f"{case}: {system} and this project do not make the same step")


def random_completions(processor: Qwen2VLProcessor, lengths: Sequence[int]) -> list[list[int]]:
    """Ordinary tokens, then the stop token."""
    rng = random.Random(3)
    special = set(processor.tokenizer.added_tokens_decoder)
    ordinary = [token for token in range(VOCABULARY) if token not in special]
    stop = stop_tokens(processor)[0]
    return [[*rng.choices(ordinary, k=length - 1), stop] for length in lengths]


def _moved(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(11)
    moved = {}
    for name in sorted(weights):
        weight = weights[name]
        noise = torch.randn(weight.shape, generator=generator)
        # A norm's weights have no spread; they stay.
        moved[name] = weight + 0.2 * weight.std() * noise if weight.ndim > 1 else weight
    return moved
