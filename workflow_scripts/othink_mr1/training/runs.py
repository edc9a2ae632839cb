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
from othink_mr1.modeling.backbone import load_backbone
from othink_mr1.modeling.device import Stopwatch, use_device
from othink_mr1.modeling.frozen_images import FrozenImages
from othink_mr1.modeling.prompts import Prompt, PromptMaker, fill_template
from othink_mr1.scoring.task_scorers import load_scorer
from othink_mr1.study.artefacts import finish_folder, start_folder, write_text
from othink_mr1.study.execution import TrainingExecution
from othink_mr1.study.methods import GRPO, SFT, TrainingSettings
from othink_mr1.study.runs import RunDescription
from othink_mr1.training import grpo, supervised
from othink_mr1.training.checkpoints import checkpoint_saver
from othink_mr1.training.data_order import example_indices
from othink_mr1.training.training_log import TrainingLog

# Of the job's memory, for the features of images under a frozen vision tower.
SHARE_OF_MEMORY_FOR_IMAGES = 1 / 4


def train_sft_run(
    run: RunDescription, execution: TrainingExecution, examples_file: Path, backbone: Path, output: Path
) -> None:
    """Fine-tune the backbone on the examples' target texts and fill the run's folder."""
    settings = run.settings
    if not isinstance(settings, SFT):
        raise UserError(f"run {run.name}: its trainer is {settings.trainer}; train_sft.py takes sft")
    with _run_folder(run, execution, output):
        model, processor = load_backbone(backbone, execution.attention, execution.device)
        examples = StoredExamples(examples_file)
        maker = PromptMaker(model, processor)

        frozen = _frozen_images(model, settings, execution)

        def lessons_of(step: int) -> list[supervised.Lesson]:
            chosen = example_indices(step, settings.batch_size, len(examples), run.seed)
            prompts = _prompts(run, maker, [examples[i] for i in chosen], chosen, frozen)
            return supervised.make_lessons(processor, prompts, [examples[i] for i in chosen])

        after_step = checkpoint_saver(model, processor, settings, output)
        with TrainingLog(output, run.name, supervised.COLUMNS, settings.steps) as log:
            supervised.train_supervised(model, settings, execution, lessons_of, log, after_step)


def train_grpo_run(
    run: RunDescription, execution: TrainingExecution, examples_file: Path, backbone: Path, output: Path
) -> None:
    """Train the backbone by GRPO or GRPO-D, as the settings' KL schedule says, and fill the run's folder."""
    settings = run.settings
    if not isinstance(settings, GRPO):
        raise UserError(f"run {run.name}: its trainer is {settings.trainer}; train_grpo.py takes grpo")
    with _run_folder(run, execution, output):
        model, processor = load_backbone(backbone, execution.attention, execution.device)
        examples = StoredExamples(examples_file)
        maker = PromptMaker(model, processor)

        frozen = _frozen_images(model, settings, execution)

        def questions_of(rollout: int) -> list[grpo.Question]:
            indices = example_indices(rollout, settings.prompts_per_step, len(examples), run.seed)
            chosen = [examples[i] for i in indices]
            prompts = _prompts(run, maker, chosen, indices, frozen)
            return [
                grpo.Question(prompt, example.gold) for prompt, example in zip(prompts, chosen, strict=True)
            ]

        after_step = checkpoint_saver(model, processor, settings, output)
        load_scorer(run.scorer)  # an unknown one is named before the first step
        with TrainingLog(output, run.name, grpo.COLUMNS, settings.steps) as log:
            grpo.train_grpo(
                model, processor, settings, execution, run.seed, run.scorer, questions_of, log, after_step
            )


def _prompts(
    run: RunDescription,
    maker: PromptMaker,
    examples: Sequence[Example],
    indices: Sequence[int],
    frozen: FrozenImages | None,
) -> list[Prompt]:
    """Training prompts of examples, which have these indices in the set."""
    prompts = maker.make(
        [example.image for example in examples],
        [fill_template(run.training_prompt, example.question) for example in examples],
    )
    return prompts if frozen is None else frozen.add_features(prompts, indices)


def _frozen_images(
    model: Qwen2VLForConditionalGeneration, settings: TrainingSettings, execution: TrainingExecution
) -> FrozenImages | None:
    """None when the vision tower is trained: features then change with every update."""
    if settings.train_vision_tower:
        return None
    return FrozenImages(
        model, settings.precision, int(execution.memory_gb * 2**30 * SHARE_OF_MEMORY_FOR_IMAGES)
    )


@contextmanager
def _run_folder(run: RunDescription, execution: TrainingExecution, output: Path) -> Iterator[None]:
    """An empty folder with run.yaml; the manifest comes when the block succeeds."""
    use_device(execution)
    start_folder(output)
    stopwatch = Stopwatch(execution)
    description = run.model_dump(mode="json")
    write_text(output / "run.yaml", yaml.safe_dump(description, sort_keys=False, allow_unicode=True))
    yield
    finish_folder(output, run=description, **stopwatch.facts())
