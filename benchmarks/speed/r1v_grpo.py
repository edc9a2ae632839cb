"""R1-V's GRPO step, written after its Qwen2VLGRPOTrainer, on stock transformers.

Taken over from R1-V's compute_loss: one prompt at a time; the processor with left padding; `generate` with
num_return_sequences = G, after which the image is repeated G times; everything behind the first
end-of-message token is masked; one forward of the policy over prompt and completions whose logits are
computed for the whole sequence, then log_softmax and gather row by row; the same under inference mode for
the reference; KL as exp(d) - d - 1; the loss exp(log π - stop_gradient(log π)) · advantage; gradients add up
over the P prompts before the update (gradient accumulation).

Not taken over: R1-V itself needs transformers of early 2025 and does not run on the version here, so the
calls around it are this version's (mm_token_type_ids, which is mandatory now). DeepSpeed, flash attention,
bfloat16 and the Trainer around the step are left out, as they are for the other systems. The optimiser is
the same fused AdamW. Gradient checkpointing is off. Rewards are given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, Qwen2VLForConditionalGeneration

from benchmarks.speed.backbone import load_stock
from benchmarks.speed.forced_lengths import ForcedLengths
from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.shapes import GRPOShape
from benchmarks.speed.systems import KL_WEIGHT, TEMPERATURE, new_optimizer, take_gradients, update
from benchmarks.speed.workload import GRPOWorkload, dialogue
from othink_mr1.modeling.processor import load_processor, stop_tokens


class R1VGRPO:
    """Policy, reference and optimiser of R1-V's step."""

    def __init__(self, backbone: Path, shape: GRPOShape) -> None:
        self._processor = load_processor(backbone)
        self._stop = stop_tokens(self._processor)[0]
        self._model = load_stock(backbone).train()
        self._reference = load_stock(backbone)
        self._optimizer = new_optimizer(self._model)
        self._group = shape.group
        self._generation = GenerationConfig(
            max_new_tokens=shape.longest_completion,
            do_sample=True,
            temperature=TEMPERATURE,
            num_return_sequences=shape.group,
            pad_token_id=self._processor.tokenizer.pad_token_id,
            eos_token_id=self._stop,
            # Unset, they would be the checkpoint's.
            top_k=0,
            top_p=1.0,
        )

    def step(self, workload: GRPOWorkload, clock: PhaseClock) -> None:
        """One whole step."""
        for index in range(workload.shape.prompts):
            rows = slice(index * self._group, (index + 1) * self._group)
            inputs = self._prompt_inputs(workload, index)
            with clock.phase("generation"):
                sequences = self._generate(inputs, workload.lengths[rows])
            self._loss(inputs, sequences, workload.rewards[rows], workload.shape.prompts, clock)
        with clock.phase("optimizer"):
            update(self._model, self._optimizer)

    def loss_and_gradient(
        self, workload: GRPOWorkload, completions: Sequence[list[int]]
    ) -> tuple[float, dict[str, Tensor]]:
        """The loss on given completions, and its gradient."""
        total = 0.0
        for index in range(workload.shape.prompts):
            rows = slice(index * self._group, (index + 1) * self._group)
            inputs = self._prompt_inputs(workload, index)
            tails = [torch.tensor(completion) for completion in completions[rows]]
            padding = self._processor.tokenizer.pad_token_id
            tail = torch.nn.utils.rnn.pad_sequence(tails, batch_first=True, padding_value=padding)
            sequences = torch.cat([inputs["input_ids"].expand(self._group, -1), tail], dim=1)
            total += self._loss(
                inputs, sequences, workload.rewards[rows], workload.shape.prompts, PhaseClock()
            )
        return total, take_gradients(self._model)

    def set_policy(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the policy's weights."""
        self._model.load_state_dict(weights)

    def _prompt_inputs(self, workload: GRPOWorkload, index: int) -> dict[str, Any]:
        inputs = self._processor(
            text=[dialogue(self._processor, workload.texts[index])],
            images=[workload.decoded_images[index]],
            return_tensors="pt",
            padding=True,
            padding_side="left",
            add_special_tokens=False,
        )
        return dict(inputs)

    def _generate(self, inputs: dict[str, Any], lengths: Sequence[int]) -> Tensor:
        special = list(self._processor.tokenizer.added_tokens_decoder)
        with torch.no_grad():
            sequences: Tensor = self._model.generate(
                **inputs,
                generation_config=self._generation,
                logits_processor=LogitsProcessorList([ForcedLengths(lengths, self._stop, special)]),
            )
        assert sequences.shape[1] == inputs["input_ids"].shape[1] + max(lengths)
        return sequences  # [group, prompt + completion tokens]

    def _loss(
        self,
        inputs: dict[str, Any],
        sequences: Tensor,
        rewards: Sequence[float],
        prompts: int,
        clock: PhaseClock,
    ) -> float:
        """Forward, reference, loss and backward of one prompt's group; its part of the mean over prompts."""
        prompt_tokens = inputs["input_ids"].shape[1]
        completion_ids = sequences[:, prompt_tokens:]
        is_end = completion_ids == self._stop
        ends = torch.full((is_end.size(0),), is_end.size(1), dtype=torch.long)
        ends[is_end.any(dim=1)] = is_end.int().argmax(dim=1)[is_end.any(dim=1)]
        indices = torch.arange(is_end.size(1)).expand(is_end.size(0), -1)
        completion_mask = (indices <= ends.unsqueeze(1)).int()
        prompt_mask = inputs["attention_mask"].repeat_interleave(self._group, dim=0)
        forward_inputs = {
            "input_ids": sequences,
            "attention_mask": torch.cat([prompt_mask, completion_mask], dim=1),
            "pixel_values": inputs["pixel_values"].repeat(self._group, 1),
            "image_grid_thw": inputs["image_grid_thw"].repeat_interleave(self._group, dim=0),
            "mm_token_type_ids": torch.cat(
                [
                    inputs["mm_token_type_ids"].repeat_interleave(self._group, dim=0),
                    torch.zeros_like(completion_ids),
                ],
                dim=1,
            ),
        }
        with clock.phase("forward_backward"):
            log_probabilities = _log_probabilities(self._model, forward_inputs)[:, prompt_tokens - 1 :]
        with clock.phase("reference"), torch.inference_mode():
            reference = _log_probabilities(self._reference, forward_inputs)[:, prompt_tokens - 1 :]
        difference = reference - log_probabilities
        kl = torch.exp(difference) - difference - 1
        group_rewards = torch.tensor(rewards)
        advantages = (group_rewards - group_rewards.mean()) / (group_rewards.std() + 1e-4)
        ratio = torch.exp(log_probabilities - log_probabilities.detach())
        token_loss = -(ratio * advantages.unsqueeze(1) - KL_WEIGHT * kl)
        loss = ((token_loss * completion_mask).sum(dim=1) / completion_mask.sum(dim=1)).mean() / prompts
        with clock.phase("forward_backward"):
            loss.backward()
        return loss.item()


def _log_probabilities(model: Qwen2VLForConditionalGeneration, inputs: dict[str, Any]) -> Tensor:
    """[sequences, tokens - 1]: of every token but the first."""
    logits = model(**inputs).logits[:, :-1, :]
    token_ids = inputs["input_ids"][:, 1:]
    rows = []
    for logits_row, token_ids_row in zip(logits, token_ids, strict=True):
        row = logits_row.log_softmax(dim=-1)
        rows.append(torch.gather(row, dim=1, index=token_ids_row.unsqueeze(1)).squeeze(1))
    return torch.stack(rows)
