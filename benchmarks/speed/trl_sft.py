"""TRL's SFTTrainer on images: its collator and its loss; the optimiser as its Trainer makes it.

The data are of the prompt-completion kind, so that only the completion is learned. Prompts are text with the
chat template filled in, not messages: of those TRL would also learn the line break behind the end of the
message.
Packing is off because TRL refuses it for vision data. Gradient checkpointing is off.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import trl
from datasets import Dataset
from torch import Tensor

from benchmarks.speed.backbone import load_stock
from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.systems import LEARNING_RATE, new_optimizer, take_gradients, update
from benchmarks.speed.workload import SupervisedWorkload, decoded, dialogue
from othink_mr1.modeling.processor import load_processor
from othink_mr1.modeling.prompts import target_text
from othink_mr1.modeling.tokenizer import END_OF_MESSAGE


class TRLSupervised:
    """An SFTTrainer whose step is called from outside."""

    def __init__(self, backbone: Path, scratch: Path, workload: SupervisedWorkload) -> None:
        self._processor = load_processor(backbone)
        self._trainer: Any = trl.SFTTrainer(
            model=load_stock(backbone),
            args=trl.SFTConfig(
                output_dir=str(scratch),
                per_device_train_batch_size=workload.shape.batch_size,
                max_length=None,
                learning_rate=LEARNING_RATE,
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                report_to=[],
            ),
            # The trainer looks at it to know what kind of data it has.
            train_dataset=Dataset.from_list(self._rows(workload)),
            processing_class=self._processor,
        )
        self._model = cast(Any, self._trainer.model)
        self._model.train()
        self._trainer.current_gradient_accumulation_steps = 1  # set by train(), which is not called
        self._optimizer = new_optimizer(self._model)

    def step(self, workload: SupervisedWorkload, clock: PhaseClock) -> None:
        """One whole step."""
        self._backward(workload, clock)
        with clock.phase("optimizer"):
            update(self._model, self._optimizer)

    def loss_and_gradient(self, workload: SupervisedWorkload) -> tuple[float, dict[str, Tensor]]:
        """The loss, and its gradient."""
        return self._backward(workload, PhaseClock()), take_gradients(self._model)

    def _backward(self, workload: SupervisedWorkload, clock: PhaseClock) -> float:
        with clock.phase("preparation"):
            inputs = self._trainer.data_collator(self._rows(workload))
        with clock.phase("forward_backward"):
            loss = self._trainer.compute_loss(self._model, dict(inputs))
            loss.backward()
        return float(loss)

    def _rows(self, workload: SupervisedWorkload) -> list[dict[str, Any]]:
        return [
            {
                "images": [image],
                "prompt": dialogue(self._processor, text),
                "completion": target_text(None, gold) + END_OF_MESSAGE,
            }
            for image, text, gold in zip(
                decoded(workload.images), workload.texts, workload.golds, strict=True
            )
        ]
