"""The optimiser: AdamW, the learning rate's schedule, clipping; and what of the model is trained."""

from __future__ import annotations

import torch
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.study.methods import TrainingSettings
from othink_mr1.training.learning_rate import learning_rate_factor


class Optimisation:
    """Makes updates of a model's trained weights from accumulated gradients."""

    def __init__(self, model: Qwen2VLForConditionalGeneration, settings: TrainingSettings) -> None:
        self._settings = settings
        self._trained = [weight for weight in model.parameters() if weight.requires_grad]
        # As usual, decay is for matrices only; biases and norms have no scale to shrink.
        matrices = [weight for weight in self._trained if weight.ndim > 1]
        others = [weight for weight in self._trained if weight.ndim <= 1]
        self._adam = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=settings.learning_rate,
            betas=(settings.adam_beta1, settings.adam_beta2),
            fused=True,
        )

    def update(self, step: int) -> tuple[float, float]:
        """Make update `step` (from 1). Returns the learning rate and the gradient's norm before clipping."""
        settings = self._settings
        rate = settings.learning_rate * learning_rate_factor(
            settings.learning_rate_schedule, settings.warmup_fraction, step, settings.steps
        )
        for group in self._adam.param_groups:
            group["lr"] = rate
        norm = torch.nn.utils.clip_grad_norm_(self._trained, settings.max_gradient_norm)
        self._adam.step()
        self._adam.zero_grad()
        return rate, float(norm)


def prepare_for_training(
    model: Qwen2VLForConditionalGeneration, train_vision_tower: bool, gradient_checkpointing: bool
) -> None:
    """Freeze the vision tower if it is not to be trained; turn on gradient checkpointing if wanted."""
    model.model.visual.requires_grad_(train_vision_tower)
    if gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
