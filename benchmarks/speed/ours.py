"""This project, as the benchmarks call it. Nothing else in benchmarks/speed calls its trainers.

The functions are those that train_grpo, train_sft and generate_answers call, in the same order. Lengths are
forced by wrapping what chooses tokens; rewards are given instead of scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks.speed.phases import PhaseClock
from benchmarks.speed.shapes import GRPOShape
from benchmarks.speed.systems import (
    CLIP_RANGE,
    KL_WEIGHT,
    LEARNING_RATE,
    MAX_GRADIENT_NORM,
    TEMPERATURE,
    take_gradients,
)
from benchmarks.speed.workload import EvaluationWorkload, GRPOWorkload, SupervisedWorkload
from othink_mr1.config.methods import GRPO, SFT
from othink_mr1.data.examples import Example
from othink_mr1.evaluation import generate
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.evaluation.kept_answers import Completion
from othink_mr1.modeling.backbone import load_backbone
from othink_mr1.modeling.processor import stop_tokens
from othink_mr1.modeling.prompts import PromptMaker
from othink_mr1.training import rollout as rollout_module
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.advantages import group_advantages
from othink_mr1.training.grpo import _without_gradient, grpo_backward, packed_rollout
from othink_mr1.training.optimisation import Optimisation
from othink_mr1.training.reference import make_reference
from othink_mr1.training.rollout import roll_out
from othink_mr1.training.supervised import make_lessons, supervised_backward

# As in mini/study.yaml.
ROW_TOKENS = 2048

_TRAINING = {
    "learning_rate": LEARNING_RATE,
    "learning_rate_schedule": "constant",
    "warmup_fraction": 0.0,
    "weight_decay": 0.0,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "max_gradient_norm": MAX_GRADIENT_NORM,
    "steps": 1_000_000,
    "checkpoint_steps": [],
    "precision": "fp32",
    "train_vision_tower": True,
}


class ForcedChoice:
    """Chooses tokens like `choose`, but ends every sequence at its length."""

    def __init__(
        self, choose: Any, lengths: Sequence[int], stop_token: int, forbidden: Sequence[int]
    ) -> None:
        """lengths: by sequence number; forbidden: the stop tokens, and what else is never chosen."""
        self._choose = choose
        self._last = torch.tensor(lengths) - 1
        self._stop_token = stop_token
        self._forbidden = torch.tensor(forbidden)

    def __call__(self, logits: Tensor, sequences: Tensor, step: Any) -> Tensor:
        """logits: [sequences, vocabulary]; sequences: their numbers; step: tokens they have already."""
        logits.index_fill_(1, self._forbidden, -torch.inf)
        chosen: Tensor = self._choose(logits, sequences, step)
        return chosen.masked_fill(self._last[sequences] == step, self._stop_token)


class OursGRPO:
    """The project's GRPO step."""

    def __init__(self, backbone: Path, shape: GRPOShape) -> None:
        self._model, self._processor = load_backbone(backbone, "cpu")
        self._maker = PromptMaker(self._model, self._processor)
        self._settings = GRPO.model_validate(
            _TRAINING
            | {
                "trainer": "grpo",
                "group_size": shape.group,
                "prompts_per_step": shape.prompts,
                "updates_per_rollout": 1,
                "clip_range": CLIP_RANGE,
                "advantage_epsilon": 1e-4,
                "format_weight": 1.0,
                "temperature": TEMPERATURE,
                "top_k": 0,
                "max_completion_tokens": shape.longest_completion,
                "kl_schedule": {"kind": "constant", "weight": KL_WEIGHT},
            }
        )
        self._reference = make_reference(self._model, self._settings)
        self._accelerator = new_accelerator("cpu")
        self._optimisation = Optimisation(self._accelerator, self._model, self._settings)
        self._steps = 0

    def step(self, workload: GRPOWorkload, clock: PhaseClock) -> None:
        """One whole step."""
        self._steps += 1
        prompts = self._maker.make(workload.images, workload.texts)
        self._model.eval()
        with clock.phase("generation"), self._forced(workload.lengths):
            rollout = roll_out(self._model, self._processor, prompts, self._settings, 0, self._steps)
        assert [len(completion) for completion in rollout.completions] == workload.lengths
        self._backward(prompts, rollout.completions, workload, clock)
        with clock.phase("optimizer"):
            self._optimisation.update(1)

    def loss_and_gradient(
        self, workload: GRPOWorkload, completions: Sequence[list[int]]
    ) -> tuple[float, dict[str, Tensor]]:
        """The loss on given completions, and its gradient."""
        prompts = self._maker.make(workload.images, workload.texts)
        loss = self._backward(prompts, completions, workload, PhaseClock())
        return loss, take_gradients(self._model)

    def set_policy(self, weights: Mapping[str, Tensor]) -> None:
        """Replace the policy's weights."""
        self._model.load_state_dict(weights)

    def _backward(
        self,
        prompts: Sequence[Any],
        completions: Sequence[list[int]],
        workload: GRPOWorkload,
        clock: PhaseClock,
    ) -> float:
        group = workload.shape.group
        rewards = torch.tensor(workload.rewards).view(-1, group)
        advantages = group_advantages(rewards, self._settings.advantage_epsilon).flatten()
        with clock.phase("reference"):
            rows = packed_rollout(prompts, completions, ROW_TOKENS, self._model.device)
            reference = _without_gradient(self._reference, rows, self._settings)
        self._model.train()
        with clock.phase("forward_backward"):
            sums = grpo_backward(
                self._accelerator,
                self._model,
                rows,
                advantages,
                None,
                reference,
                self._settings,
                KL_WEIGHT,
            )
        return sums.loss

    @contextmanager
    def _forced(self, lengths: Sequence[int]) -> Iterator[None]:
        stops = stop_tokens(self._processor)
        sampler = rollout_module.Sampler

        def forced(*arguments: Any) -> ForcedChoice:
            return ForcedChoice(sampler(*arguments), lengths, stops[0], stops)

        with mock.patch.object(rollout_module, "Sampler", forced):
            yield


class OursSupervised:
    """The project's SFT step."""

    def __init__(self, backbone: Path) -> None:
        self._model, self._processor = load_backbone(backbone, "cpu")
        self._model.train()
        self._maker = PromptMaker(self._model, self._processor)
        self._settings = SFT.model_validate(
            _TRAINING | {"trainer": "sft", "target": "answer", "batch_size": 8}
        )
        self._accelerator = new_accelerator("cpu")
        self._optimisation = Optimisation(self._accelerator, self._model, self._settings)

    def step(self, workload: SupervisedWorkload, clock: PhaseClock) -> None:
        """One whole step."""
        self._backward(workload, clock)
        with clock.phase("optimizer"):
            self._optimisation.update(1)

    def loss_and_gradient(self, workload: SupervisedWorkload) -> tuple[float, dict[str, Tensor]]:
        """The loss, and its gradient."""
        return self._backward(workload, PhaseClock()), take_gradients(self._model)

    def _backward(self, workload: SupervisedWorkload, clock: PhaseClock) -> float:
        with clock.phase("preparation"):
            prompts = self._maker.make(workload.images, workload.texts)
            lessons = make_lessons(self._processor, prompts, _examples(workload))
        assert [len(lesson.target) for lesson in lessons] == workload.target_tokens
        with clock.phase("forward_backward"):
            loss, _ = supervised_backward(self._accelerator, self._model, lessons, "fp32", ROW_TOKENS)
        return loss


def _examples(workload: SupervisedWorkload) -> list[Example]:
    return [
        Example(id=str(index), image=image, question=text, gold=gold, reasoning=None)
        for index, (image, text, gold) in enumerate(
            zip(workload.images, workload.texts, workload.golds, strict=True)
        )
    ]


class OursEvaluation:
    """The project's evaluation."""

    def __init__(self, backbone: Path) -> None:
        self._model, self._processor = load_backbone(backbone, "cpu")

    def answer(self, workload: EvaluationWorkload, clock: PhaseClock) -> list[str]:
        """Greedy answers of forced lengths, in the questions' order."""
        examples = [
            Example(id=str(index), image=image, question=text, gold="", reasoning=None)
            for index, (image, text) in enumerate(zip(workload.images, workload.texts, strict=True))
        ]
        task = GenerationTask(
            name="benchmark",
            prompt="{question}",
            max_new_tokens=workload.shape.longest_answer,
        )
        stop = stop_tokens(self._processor)[0]
        special = list(self._processor.tokenizer.added_tokens_decoder)
        decode = generate.decode_as_they_end

        def forced(
            model: Any, prompts: Any, group: int, limit: int, stops: Any, choose: Any, at_a_time: int
        ) -> Any:
            choose = ForcedChoice(choose, workload.lengths, stop, special)
            return decode(model, prompts, group, limit, stops, choose, at_a_time)

        answers = [""] * len(examples)

        def answered(place: int, completion: Completion) -> None:
            answers[place] = completion.completion

        patched = mock.patch.object(generate, "decode_as_they_end", forced)
        with patched, clock.phase("generation"):
            generate.answer(
                self._model,
                self._processor,
                examples,
                task,
                workload.shape.batch_size,
                "fp32",
                answered,
            )
        return answers
