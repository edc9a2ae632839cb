"""Supervised training on target texts, for SFT and for the small backbone's pretraining.

The prompt is the same as in GRPO, image before text; only the target and the end of the message
are learned. R1-V's own SFT, which differs, is in r1v_sft.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from accelerate import Accelerator
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.methods import SFT
from othink_mr1.data.examples import Example
from othink_mr1.modeling.packed_rows import Group, fill_rows, pack
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.processes import ALONE, Processes
from othink_mr1.modeling.processor import Qwen2VLProcessor
from othink_mr1.modeling.prompts import Prompt, target_text
from othink_mr1.modeling.tokenizer import END_OF_MESSAGE
from othink_mr1.training.divergence import require_finite
from othink_mr1.training.log_probabilities import completion_log_probabilities
from othink_mr1.training.optimisation import Optimisation, prepare_for_training
from othink_mr1.training.session import Session
from othink_mr1.training.sharding import adding_up_gradients, is_sharded, shard

COLUMNS = ("learning_rate", "loss", "gradient_norm", "target_tokens")


@dataclass(frozen=True)
class Lesson:
    """A prompt and the tokens that should follow it, on which the loss is computed.

    predicted: places in the prompt, counted from 1, whose tokens are also in the loss.
    """

    prompt: Prompt
    target: list[int]
    predicted: Sequence[int] = ()

    @property
    def group(self) -> Group:
        """The lesson as a group, for packing."""
        return Group(self.prompt, [self.target] if self.target else [], self.predicted)


def make_lessons(
    processor: Qwen2VLProcessor, prompts: Sequence[Prompt], examples: Sequence[Example]
) -> list[Lesson]:
    """The examples' prompts with the target texts that should follow them."""
    targets = [target_text(example.reasoning, example.gold) + END_OF_MESSAGE for example in examples]
    token_ids = processor.tokenizer(targets)["input_ids"]
    return [Lesson(prompt, target) for prompt, target in zip(prompts, token_ids, strict=True)]


def train_supervised(
    model: Qwen2VLForConditionalGeneration,
    settings: SFT,
    execution: TrainingExecution,
    lessons_of: Callable[[int], list[Lesson]],
    session: Session,
) -> None:
    """Make the session's remaining updates; lessons_of gives a step's batch, or this process's share."""
    prepare_for_training(model, settings.train_vision_tower, execution.gradient_checkpointing)
    model.train()
    if execution.sharding == "fsdp2":
        shard(model, session.processes)
    optimisation = Optimisation(session.accelerator, model, settings)
    for step in session.steps(optimisation):
        with session.interruptible():
            lessons = lessons_of(step)
            loss, tokens = supervised_backward(
                session.accelerator,
                model,
                lessons,
                settings.precision,
                execution.row_tokens,
                session.processes,
            )
        require_finite(step, settings, loss=loss)
        rate, norm = optimisation.update(step)
        values = {"learning_rate": rate, "loss": loss, "gradient_norm": norm, "target_tokens": tokens}
        session.finish_step(step, values)


def supervised_backward(
    accelerator: Accelerator,
    model: Qwen2VLForConditionalGeneration,
    lessons: Sequence[Lesson],
    precision: str,
    row_tokens: int,
    processes: Processes = ALONE,
) -> tuple[float, int]:
    """Add the gradient of the mean negative log-likelihood over all target tokens of the batch.

    Whole lessons are packed into rows of at most row_tokens. In several processes each has lessons of its
    own, and the mean is over all. Returns the loss in nats and the number of target tokens. row_tokens and
    the number of processes change the result only by rounding.
    """
    (tokens,) = processes.total(sum(len(lesson.target) + len(lesson.predicted) for lesson in lessons))
    total = 0.0
    rows = list(fill_rows([lesson.group for lesson in lessons], row_tokens))
    with adding_up_gradients(model, len(rows), lambda: pack(rows[0], model.device), precision, processes):
        for groups in rows:
            row = pack(groups, model.device)
            with autocast(precision, model.device, keeps_casts=not is_sharded(model)):
                log_probabilities = completion_log_probabilities(model, row)
            loss = -log_probabilities.sum() / tokens
            accelerator.backward(loss)
            total += loss.item()
    (total,) = processes.total(total)
    return total, int(tokens)
