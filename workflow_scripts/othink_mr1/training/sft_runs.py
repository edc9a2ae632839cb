"""A run of SFT: from its description, examples and backbone to its finished folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.methods import SFT
from othink_mr1.errors import UserError
from othink_mr1.plan.runs import RunDescription
from othink_mr1.training.r1v_sft import r1v_dialogue, r1v_lessons
from othink_mr1.training.runs import TrainingRun, training_run
from othink_mr1.training.supervised import COLUMNS, Lesson, make_lessons, train_supervised


def train_sft_run(
    run: RunDescription, execution: TrainingExecution, examples_file: Path, backbone: Path, output: Path
) -> None:
    """Fine-tune the backbone on the examples' target texts and fill the run's folder.

    An interrupted attempt is resumed; see training/session.py. UserError if the target is the reasoning
    and no example has any.
    """
    settings = run.settings
    if not isinstance(settings, SFT):
        raise UserError(f"run {run.name}: its trainer is {settings.trainer}; train_sft.py takes sft")
    with training_run(run, execution, examples_file, backbone, output, COLUMNS) as training:
        if training is None:
            return
        if settings.target == "reasoning":
            _require_reasoning(training, run.name, examples_file)
        train_supervised(
            training.model,
            settings,
            execution,
            sft_lessons(training, settings),
            training.session,
        )


def sft_lessons(training: TrainingRun, settings: SFT) -> Callable[[int], list[Lesson]]:
    """The function that gives the lessons of a step (from 1), depending on the settings' target."""
    processor = training.processor
    if settings.target == "r1v":
        dialogues_of = training.prompts(settings.batch_size, settings.steps, partial(r1v_dialogue, processor))
        return lambda step: r1v_lessons(processor, dialogues_of(step)[0])
    prompts_of = training.prompts(settings.batch_size, settings.steps)

    def lessons_of(step: int) -> list[Lesson]:
        prompts, examples = prompts_of(step)
        if settings.target == "answer":
            examples = [replace(example, reasoning=None) for example in examples]
        return make_lessons(processor, prompts, examples)

    return lessons_of


def _require_reasoning(training: TrainingRun, name: str, examples_file: Path) -> None:
    missing = training.without_reasoning
    if missing == training.examples:
        raise UserError(
            f"run {name}: target: reasoning, but no example of {examples_file} has one; set target: answer"
        )
    if missing:
        print(
            f"{name}: {missing} of {training.examples} examples have no reasoning: of these the answer alone "
            "is learned",
            file=sys.stderr,
            flush=True,
        )
