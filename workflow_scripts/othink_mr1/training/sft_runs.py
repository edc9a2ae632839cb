"""A run of SFT: from its description, examples and backbone to its finished folder."""

from __future__ import annotations

from pathlib import Path

from othink_mr1.errors import UserError
from othink_mr1.study.code_of_stages import Stage
from othink_mr1.study.execution import TrainingExecution
from othink_mr1.study.methods import SFT
from othink_mr1.study.runs import RunDescription
from othink_mr1.training.runs import training_run
from othink_mr1.training.supervised import COLUMNS, Lesson, make_lessons, train_supervised


def train_sft_run(
    run: RunDescription, execution: TrainingExecution, examples_file: Path, backbone: Path, output: Path
) -> None:
    """Fine-tune the backbone on the examples' target texts and fill the run's folder.

    An interrupted attempt is gone on with; see training/session.py.
    """
    settings = run.settings
    if not isinstance(settings, SFT):
        raise UserError(f"run {run.name}: its trainer is {settings.trainer}; train_sft.py takes sft")
    stage = Stage("train_sft")
    with training_run(run, stage, execution, examples_file, backbone, output, COLUMNS) as training:
        if training is None:
            return

        def lessons_of(step: int) -> list[Lesson]:
            prompts, examples = training.prompts_of(step, settings.batch_size)
            return make_lessons(training.processor, prompts, examples)

        train_supervised(training.model, settings, execution, lessons_of, training.session)
