"""The optimiser: AdamW, learning rate schedule, clipping; and which weights are trained."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from accelerate import Accelerator
from torch import Tensor
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.config.methods import TrainingSettings
from othink_mr1.modeling.finite import largest
from othink_mr1.training.divergence import require_finite
from othink_mr1.training.learning_rate import learning_rate_factor
from othink_mr1.training.sharding import part_like, whole

# Name of a state's file -> AdamW's name for the values in it.
_ADAM_STATE = {"first_moments": "exp_avg", "second_moments": "exp_avg_sq", "update_counts": "step"}


class Optimisation:
    """Makes updates of a model's trained weights from accumulated gradients."""

    def __init__(
        self, accelerator: Accelerator, model: Qwen2VLForConditionalGeneration, settings: TrainingSettings
    ) -> None:
        self._accelerator, self._settings, self._model = accelerator, settings, model
        # Tied weights are one parameter and appear once.
        self._trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        # As usual, only matrices decay, not biases and norms.
        matrices = [weight for weight in self._trained.values() if weight.ndim > 1]
        others = [weight for weight in self._trained.values() if weight.ndim <= 1]
        adam = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(settings.adam_beta1, settings.adam_beta2),
            fused=True,
        )
        # Not the model: accelerate would wrap it in several processes, and average gradients row by row.
        self._adam = accelerator.prepare(adam)

    def update(self, step: int) -> tuple[float, float]:
        """Make update `step` (from 1). Returns the learning rate and the gradient norm before clipping.

        UserError, and no update, if the norm is not finite; UserError if a weight is not finite afterwards.
        """
        settings = self._settings
        rate = settings.learning_rate * learning_rate_factor(
            settings.learning_rate_schedule, settings.warmup_fraction, step, settings.steps
        )
        for group in self._adam.param_groups:
            group["lr"] = rate
        clipped = self._accelerator.clip_grad_norm_(self._trained.values(), settings.max_gradient_norm)
        norm = float(whole(clipped))
        require_finite(step, settings, gradient_norm=norm)
        self._adam.step()
        self._adam.zero_grad()
        require_finite(step, settings, largest_weight_after_the_update=largest(self._trained.values()))
        return rate, norm

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """The trained weights and, after the first update, AdamW's state: kind -> weight's name -> tensor."""
        kinds: dict[str, dict[str, Tensor]] = {"weights": dict(self._trained)}
        for kind, key in _ADAM_STATE.items():
            kinds[kind] = {
                name: self._adam.state[weight][key]
                for name, weight in self._trained.items()
                if key in self._adam.state[weight]  # a weight without a gradient has no such entry
            }
        return kinds

    def restore(self, tensors_of: Callable[[str], dict[str, Tensor]]) -> None:
        """Load the `tensors()` of an equal model, one kind after another, into memory allocated by torch."""
        with torch.no_grad():
            for name, value in tensors_of("weights").items():
                self._trained[name].copy_(part_like(value, self._trained[name]))
            for kind, key in _ADAM_STATE.items():
                for name, value in tensors_of(kind).items():
                    weight = self._trained[name]
                    # Memory allocated by torch: results of its kernels may depend on the alignment.
                    place = (
                        value.clone()
                        if key == "step"
                        else torch.empty_like(weight).copy_(part_like(value, weight))
                    )
                    self._adam.state[weight][key] = place.to(weight.device)

    def state_bytes(self) -> int:
        """The size of `tensors()` after an update: trained weights and two moments."""
        return 3 * _bytes(self._trained.values())

    def checkpoint_bytes(self) -> int:
        """The size of all weights, trained or not, in a checkpoint."""
        in_fp32 = _bytes(self._model.parameters())
        return in_fp32 // 2 if self._settings.checkpoint_precision == "bf16" else in_fp32


def _bytes(weights: Iterable[Tensor]) -> int:
    return sum(weight.numel() * weight.element_size() for weight in weights)


def prepare_for_training(
    model: Qwen2VLForConditionalGeneration, train_vision_tower: bool, gradient_checkpointing: bool
) -> None:
    """Freeze the vision tower unless it is trained; turn on gradient checkpointing if requested."""
    model.model.visual.requires_grad_(train_vision_tower)
    if gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
