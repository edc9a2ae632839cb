"""A run of GRPO or GRPO-D: from its description, examples and backbone to its finished folder."""

from __future__ import annotations

from pathlib import Path

from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.methods import GRPO
from othink_mr1.errors import UserError
from othink_mr1.plan.runs import RunDescription
from othink_mr1.scoring.task_scorers import load_scorer
from othink_mr1.training.grpo import COLUMNS, Question, train_grpo
from othink_mr1.training.runs import training_run


def train_grpo_run(
    run: RunDescription, execution: TrainingExecution, examples_file: Path, backbone: Path, output: Path
) -> None:
    """Train the backbone with GRPO or GRPO-D, depending on the KL schedule, and fill the run's folder.

    An interrupted attempt is resumed; see training/session.py.
    """
    settings = run.settings
    if not isinstance(settings, GRPO):
        raise UserError(f"run {run.name}: its trainer is {settings.trainer}; train_grpo.py takes grpo")
    load_scorer(run.scorer)  # report an unknown scorer before the first step
    with training_run(run, execution, examples_file, backbone, output, COLUMNS) as training:
        if training is None:
            return

        rollouts = settings.steps // settings.updates_per_rollout
        prompts_of = training.prompts(settings.prompts_per_step, rollouts)

        def questions_of(rollout: int) -> list[Question]:
            prompts, examples = prompts_of(rollout)
            return [Question(prompt, example.gold) for prompt, example in zip(prompts, examples, strict=True)]

        train_grpo(
            training.model,
            training.processor,
            settings,
            execution,
            run.seed,
            run.scorer,
            questions_of,
            training.session,
        )
