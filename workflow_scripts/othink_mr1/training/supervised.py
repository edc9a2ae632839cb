"""Supervised training on target texts: SFT's loss, and the small backbone's pretraining too.

The prompt is the one of evaluation, image before text; only the target and the end of the message are
learned. (R1-V's own SFT also learns the prompt, puts the text first and adds a system message.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.data.examples import Example
from othink_mr1.modeling.processor import Qwen2VLProcessor
from othink_mr1.modeling.prompts import Prompt, PromptMaker, fill_template, target_text
from othink_mr1.modeling.tokenizer import END_OF_MESSAGE
from othink_mr1.study.execution import TrainingExecution
from othink_mr1.study.methods import SFT
from othink_mr1.training.log_probabilities import completion_log_probabilities
from othink_mr1.training.optimisation import Optimisation, autocast, prepare_for_training
from othink_mr1.training.training_log import TrainingLog

COLUMNS = ("learning_rate", "loss", "gradient_norm", "target_tokens")


@dataclass(frozen=True)
class Lesson:
    """A prompt and the tokens that are to follow it; the loss is on these alone."""

    prompt: Prompt
    target: list[int]


def make_lessons(
    maker: PromptMaker, processor: Qwen2VLProcessor, examples: Sequence[Example], templates: Sequence[str]
) -> list[Lesson]:
    """templates: each example's prompt template."""
    prompts = maker.make(
        [example.image for example in examples],
        [
            fill_template(template, example.question)
            for example, template in zip(examples, templates, strict=True)
        ],
    )
    targets = [target_text(example.reasoning, example.gold) + END_OF_MESSAGE for example in examples]
    token_ids = processor.tokenizer(targets)["input_ids"]
    return [Lesson(prompt, target) for prompt, target in zip(prompts, token_ids, strict=True)]


def train_supervised(
    model: Qwen2VLForConditionalGeneration,
    settings: SFT,
    execution: TrainingExecution,
    lessons_of: Callable[[int], list[Lesson]],
    log: TrainingLog,
    after_step: Callable[[int], None],
) -> None:
    """Make settings.steps updates; lessons_of gives a step's batch, after_step may save the weights."""
    prepare_for_training(model, settings.train_vision_tower, execution.gradient_checkpointing)
    model.train()
    optimisation = Optimisation(model, settings)
    for step in range(1, settings.steps + 1):
        lessons = lessons_of(step)
        loss, tokens = supervised_backward(model, lessons, settings.precision, execution.micro_batch)
        rate, norm = optimisation.update(step)
        log.step(step, {"learning_rate": rate, "loss": loss, "gradient_norm": norm, "target_tokens": tokens})
        after_step(step)


def supervised_backward(
    model: Qwen2VLForConditionalGeneration, lessons: Sequence[Lesson], precision: str, micro_batch: int
) -> tuple[float, int]:
    """Add the gradient of the mean negative log-likelihood over all target tokens of the batch.

    Returns the loss in nats and the number of target tokens. Any micro_batch gives the same up to rounding.
    """
    tokens = sum(len(lesson.target) for lesson in lessons)
    total = 0.0
    for start in range(0, len(lessons), micro_batch):
        part = lessons[start : start + micro_batch]
        with autocast(precision, model.device):
            log_probabilities = completion_log_probabilities(
                model,
                [lesson.prompt for lesson in part],
                [lesson.target for lesson in part],
                range(len(part)),
            )
        loss = -log_probabilities.sum() / tokens
        loss.backward()
        total += loss.item()
    return total, tokens
