"""Saving the weights of a run, along the way and at its end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.modeling.backbone import save_checkpoint
from othink_mr1.modeling.processor import Qwen2VLProcessor
from othink_mr1.study.methods import TrainingSettings


def checkpoint_saver(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    settings: TrainingSettings,
    run_folder: Path,
) -> Callable[[int], None]:
    """A function to call after every step: writes checkpoint-<step>/, and checkpoint/ after the last step."""

    def after_step(step: int) -> None:
        if step == settings.steps:
            save_checkpoint(model, processor, run_folder / "checkpoint")
        elif step in settings.checkpoint_steps:
            save_checkpoint(model, processor, run_folder / f"checkpoint-{step}")

    return after_step
