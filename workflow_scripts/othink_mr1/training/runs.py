"""Training runs: from a run's description, examples and backbone to its finished folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.data.examples import Example
from othink_mr1.data.stored_examples import StoredExamples
from othink_mr1.errors import UserError
from othink_mr1.modeling.backbone import load_backbone, save_checkpoint, verify_weights
from othink_mr1.modeling.device import use_device
from othink_mr1.modeling.frozen_images import FrozenImages
from othink_mr1.modeling.prompts import Prompt, PromptMaker, fill_template
from othink_mr1.scoring.task_scorers import load_scorer
from othink_mr1.study.artefacts import filling
from othink_mr1.study.atomic_files import write_text
from othink_mr1.study.execution import TrainingExecution
from othink_mr1.study.methods import GRPO, SFT, TrainingSettings
from othink_mr1.study.runs import RunDescription
from othink_mr1.study.verification import verify_file
from othink_mr1.training import grpo, supervised
from othink_mr1.training.data_order import example_indices
from othink_mr1.training.saved_states import SavedStates
from othink_mr1.training.session import TrainingSession, training_session

# Of the job's memory, for the features of images under a frozen vision tower.
SHARE_OF_MEMORY_FOR_IMAGES = 1 / 4


def train_sft_run(
    run: RunDescription, execution: TrainingExecution, examples_file: Path, backbone: Path, output: Path
) -> None:
    """Fine-tune the backbone on the examples' target texts and fill the run's folder.

    An interrupted attempt is gone on with; see training/session.py.
    """
    settings = run.settings
    if not isinstance(settings, SFT):
        raise UserError(f"run {run.name}: its trainer is {settings.trainer}; train_sft.py takes sft")
    with _training(run, execution, examples_file, backbone, output, supervised.COLUMNS) as training:
        if training is None:
            return

        def lessons_of(step: int) -> list[supervised.Lesson]:
            prompts, examples = training.prompts_of(step, settings.batch_size)
            return supervised.make_lessons(training.processor, prompts, examples)

        supervised.train_supervised(training.model, settings, execution, lessons_of, training.session)


def train_grpo_run(
    run: RunDescription, execution: TrainingExecution, examples_file: Path, backbone: Path, output: Path
) -> None:
    """Train the backbone by GRPO or GRPO-D, as the settings' KL schedule says, and fill the run's folder.

    An interrupted attempt is gone on with; see training/session.py.
    """
    settings = run.settings
    if not isinstance(settings, GRPO):
        raise UserError(f"run {run.name}: its trainer is {settings.trainer}; train_grpo.py takes grpo")
    load_scorer(run.scorer)  # an unknown one is named before the first step
    with _training(run, execution, examples_file, backbone, output, grpo.COLUMNS) as training:
        if training is None:
            return

        def questions_of(rollout: int) -> list[grpo.Question]:
            prompts, examples = training.prompts_of(rollout, settings.prompts_per_step)
            return [
                grpo.Question(prompt, example.gold) for prompt, example in zip(prompts, examples, strict=True)
            ]

        grpo.train_grpo(
            training.model,
            training.processor,
            settings,
            execution,
            run.seed,
            run.scorer,
            questions_of,
            training.session,
        )


class _Training:
    """What both trainers work with."""

    def __init__(
        self,
        run: RunDescription,
        settings: TrainingSettings,
        execution: TrainingExecution,
        examples_file: Path,
        backbone: Path,
    ) -> None:
        self._run = run
        self.model, self.processor = load_backbone(backbone, execution.attention, execution.device)
        self._examples = StoredExamples(examples_file)
        self._maker = PromptMaker(self.model, self.processor)
        # Features change with every update when the vision tower is trained.
        self._frozen = (
            None if settings.train_vision_tower else _frozen_images(self.model, settings, execution)
        )
        self.session: TrainingSession

    def prompts_of(self, step: int, batch: int) -> tuple[list[Prompt], list[Example]]:
        """A step's prompts (from 1), and their examples."""
        indices = example_indices(step, batch, len(self._examples), self._run.seed)
        examples = [self._examples[index] for index in indices]
        prompts = self._maker.make(
            [example.image for example in examples],
            [fill_template(self._run.training_prompt, example.question) for example in examples],
        )
        if self._frozen is not None:
            prompts = self._frozen.add_features(prompts, indices)
        return prompts, examples

    def save_checkpoint(self, folder: Path) -> None:
        """Write the weights as they are."""
        save_checkpoint(self.model, self.processor, folder)


@contextmanager
def _training(
    run: RunDescription,
    execution: TrainingExecution,
    examples_file: Path,
    backbone: Path,
    output: Path,
    columns: Sequence[str],
) -> Iterator[_Training | None]:
    """The run's folder with run.yaml; final checkpoint and manifest come when the block succeeds.

    None if the run is complete already.
    """
    settings = run.settings
    assert isinstance(settings, SFT | GRPO)
    use_device(execution)
    description = run.model_dump(mode="json")
    # The digest leaves out what has its default, so a setting that is added later makes no other run of it.
    identity = {"digest": run.digest}
    with filling(output, identity, keep=True, precious=True) as artefact:
        if artefact.complete:
            SavedStates(output).remove()
            yield None
            return
        made_of = {"backbone": verify_weights(backbone), "examples": verify_file(examples_file)}
        training = _Training(run, settings, execution, examples_file, backbone)
        facts = {**identity, "made_of": made_of}
        with training_session(
            artefact, facts, columns, settings, execution, training.save_checkpoint, run.name
        ) as session:
            text = yaml.safe_dump(description, sort_keys=False, allow_unicode=True)
            write_text(output / "run.yaml", text)
            training.session = session
            yield training
            session.keep_checkpoint("checkpoint")
            session.finish(run=description)


def _frozen_images(
    model: Qwen2VLForConditionalGeneration, settings: TrainingSettings, execution: TrainingExecution
) -> FrozenImages:
    return FrozenImages(
        model, settings.precision, int(execution.memory_gb * 2**30 * SHARE_OF_MEMORY_FOR_IMAGES)
    )
