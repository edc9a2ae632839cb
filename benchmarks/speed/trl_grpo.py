"""TRL 1.16's GRPOTrainer: its own generation, reference, loss; the optimiser as its Trainer makes it.

A step calls the trainer's `_generate_and_score_completions` and `_compute_loss`, then does what Trainer
does: backward, clipping, fused AdamW. Lengths are forced by a logits processor that is handed to
`generate`; nothing else of TRL is changed. All completions go through one forward, as a batch of
prompts x group rows. Gradient checkpointing, on by default in TRL, is off: it would cost time.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
import trl
from datasets import Dataset
from torch import Tensor
from transformers import LogitsProcessorList

from benchmarks.speed.backbone import load_stock
from benchmarks.speed.forced_lengths import ForcedLengths
from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.shapes import GRPOShape
from benchmarks.speed.systems import (
    CLIP_RANGE,
    KL_WEIGHT,
    LEARNING_RATE,
    TEMPERATURE,
    new_optimizer,
    take_gradients,
    update,
)
from benchmarks.speed.workload import GRPOWorkload
from othink_mr1.modeling.processor import load_processor, stop_tokens


class TRLGRPO:
    """A GRPOTrainer whose step is called from outside."""

    def __init__(self, backbone: Path, scratch: Path, shape: GRPOShape) -> None:
        """scratch: a folder to write into. The shape's numbers of prompts and completions are fixed."""
        self._processor = load_processor(backbone)
        self._rewards: Sequence[float] = []
        self._trainer: Any = trl.GRPOTrainer(
            model=load_stock(backbone),
            reward_funcs=self._given_rewards,
            args=trl.GRPOConfig(
                output_dir=str(scratch),
                loss_type="grpo",
                scale_rewards="group",
                beta=KL_WEIGHT,
                epsilon=CLIP_RANGE,
                use_bias_correction_kl=False,
                num_generations=shape.group,
                per_device_train_batch_size=shape.prompts * shape.group,
                max_completion_length=shape.longest_completion,
                temperature=TEMPERATURE,
                top_k=0,
                top_p=1.0,
                learning_rate=LEARNING_RATE,
                use_cpu=True,
                bf16=False,
                gradient_checkpointing=False,
                report_to=[],
            ),
            # Never read: the step is given its rows.
            train_dataset=Dataset.from_list([{"prompt": [{"role": "user", "content": "?"}]}]),
            processing_class=self._processor,
        )
        self._model = cast(Any, self._trainer.model)
        self._model.train()
        self._trainer.current_gradient_accumulation_steps = 1  # set by train(), which is not called
        self._optimizer = new_optimizer(self._model)

    def step(self, workload: GRPOWorkload, clock: PhaseClock) -> None:
        """One whole step."""
        trainer = self._trainer
        own = trainer._generate_single_turn, trainer._get_per_token_logps_and_entropies, self._model.generate
        forced = ForcedLengths(
            workload.lengths,
            stop_tokens(self._processor)[0],
            list(self._processor.tokenizer.added_tokens_decoder),
        )
        self._model.generate = functools.partial(own[2], logits_processor=LogitsProcessorList([forced]))
        trainer._generate_single_turn = clock.timed("generation", own[0])
        # The only log-probabilities that are computed before the loss are the reference's.
        trainer._get_per_token_logps_and_entropies = clock.timed("reference", own[1])
        inputs = self._generate_and_score(workload)
        trainer._generate_single_turn, trainer._get_per_token_logps_and_entropies, self._model.generate = own
        with clock.phase("forward_backward"):
            trainer._compute_loss(self._model, inputs).backward()
        with clock.phase("optimizer"):
            update(self._model, self._optimizer)

    def loss_and_gradient(
        self, workload: GRPOWorkload, completions: Sequence[list[int]]
    ) -> tuple[float, dict[str, Tensor]]:
        """The loss on given completions, and its gradient."""
        own = self._trainer._generate_single_turn
        self._trainer._generate_single_turn = lambda *_, **__: (list(completions), None)
        inputs = self._generate_and_score(workload)
        self._trainer._generate_single_turn = own
        loss = self._trainer._compute_loss(self._model, inputs)
        loss.backward()
        return loss.item(), take_gradients(self._model)

    def set_policy(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the policy's weights."""
        self._model.load_state_dict(weights)

    def _given_rewards(self, prompts: Any, completions: Any, **_: Any) -> list[float | None]:
        return list(self._rewards)

    def _generate_and_score(self, workload: GRPOWorkload) -> dict[str, Any]:
        self._rewards = workload.rewards
        rows = [
            {
                "prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}],
                "image": image,
            }
            for text, image in zip(workload.texts, workload.decoded_images, strict=True)
            for _ in range(workload.shape.group)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inputs: dict[str, Any] = self._trainer._generate_and_score_completions(rows)
        lengths = inputs["completion_mask"].sum(dim=1)
        assert torch.equal(lengths, torch.tensor(workload.lengths)), "TRL generated other lengths"
        return inputs
