"""Common to the runs of all trainers: their folder, examples, start and end."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.verification import verify_file
from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.methods import GRPO, SFT, TrainingSettings
from othink_mr1.data.examples import Example
from othink_mr1.data.stored_examples import StoredExamples
from othink_mr1.errors import UserError
from othink_mr1.modeling.backbone import load_backbone, save_checkpoint, verify_weights
from othink_mr1.modeling.device import use_device
from othink_mr1.modeling.frozen_images import FrozenImages
from othink_mr1.modeling.prepared_prompts import PreparedAhead, background_threads
from othink_mr1.modeling.processes import ALONE, Processes, processes_of
from othink_mr1.modeling.prompts import Prompt, PromptMaker, fill_template
from othink_mr1.plan.runs import RunDescription
from othink_mr1.training.data_order import example_indices
from othink_mr1.training.saved_states import SavedStates
from othink_mr1.training.session import FollowingSession, Session, TrainingSession
from othink_mr1.training.sharding import gathered_weights, is_sharded

# Share of the job's memory for image features, if the vision tower is frozen.
SHARE_OF_MEMORY_FOR_IMAGES = 1 / 4


class TrainingRun:
    """What the trainers work with."""

    def __init__(
        self,
        run: RunDescription,
        settings: TrainingSettings,
        execution: TrainingExecution,
        examples_file: Path,
        backbone: Path,
        background: ExitStack,
        processes: Processes = ALONE,
    ) -> None:
        """background: closed when no more prompts are needed."""
        self._run, self._processes = run, processes
        self._checkpoint_precision = settings.checkpoint_precision
        self.model, self.processor = load_backbone(backbone, execution.device)
        self._examples = StoredExamples(examples_file)
        self._maker = PromptMaker(self.model, self.processor)
        # If the vision tower is trained, features change with every update.
        self._frozen = (
            None if settings.train_vision_tower else _frozen_images(self.model, settings, execution)
        )
        self._threads, self._background = background_threads(execution), background
        self.session: Session

    @property
    def without_reasoning(self) -> int:
        return self._examples.without("reasoning")

    @property
    def examples(self) -> int:
        return len(self._examples)

    def prompts(
        self, batch: int, batches: int, dialogue_of: Callable[[Example], str] | None = None
    ) -> Callable[[int], tuple[list[Prompt], list[Example]]]:
        """The function that gives a batch's prompts and their examples, by its number from 1 to `batches`.

        In several processes, this one's share. While a batch is used, the next one is prepared if the run has
        threads for it. UserError if a batch is smaller than the number of processes.
        dialogue_of: gives an example's dialogue, if it is not the task's training prompt.
        """

        def make(indices: Sequence[int]) -> list[tuple[int, Prompt, Example]]:
            examples = [self._examples[index] for index in indices]
            images = [example.image for example in examples]
            if dialogue_of is None:
                texts = [fill_template(self._run.training_prompt, example.question) for example in examples]
                prompts = self._maker.make(images, texts)
            else:
                dialogues = [dialogue_of(example) for example in examples]
                prompts = self._maker.make_of_dialogues(images, dialogues)
            return list(zip(indices, prompts, examples, strict=True))

        if batch < self._processes.count:
            raise UserError(
                f"execution.train: {self._processes.count} GPUs are more than the {batch} prompts of a step; "
                "lower gpus or nodes"
            )

        def indices_of(number: int) -> Sequence[int]:
            return self._processes.share(example_indices(number, batch, len(self._examples), self._run.seed))

        ahead = self._background.enter_context(PreparedAhead(make, indices_of, batches, self._threads))

        def prompts_of(number: int) -> tuple[list[Prompt], list[Example]]:
            made = ahead.take(number)
            prompts = [prompt for _, prompt, _ in made]
            if self._frozen is not None:
                prompts = self._frozen.add_features(prompts, [index for index, _, _ in made])
            return prompts, [example for _, _, example in made]

        return prompts_of

    def save_checkpoint(self, folder: Path) -> None:
        weights = None
        if is_sharded(self.model):
            in_host_memory = ((names, weight.cpu()) for names, weight in gathered_weights(self.model))
            weights = {name: weight for names, weight in in_host_memory for name in names}
        save_checkpoint(self.model, self.processor, folder, self._checkpoint_precision, weights)

    def follow_a_checkpoint(self) -> None:
        """In a process that is not the first, while that writes the weights."""
        if is_sharded(self.model):
            for _ in gathered_weights(self.model):
                pass


@contextmanager
def training_run(
    run: RunDescription,
    execution: TrainingExecution,
    examples_file: Path,
    backbone: Path,
    output: Path,
    columns: Sequence[str],
) -> Iterator[TrainingRun | None]:
    """The run's folder with run.yaml; the final checkpoint and manifest are written when the block succeeds.

    None if the run is already complete.
    """
    settings = run.settings
    assert isinstance(settings, SFT | GRPO)
    use_device(execution)
    processes = processes_of(execution)
    description = run.model_dump(mode="json")
    # The digest leaves out defaults, so a setting added later does not change the run's identity.
    identity = {"digest": run.digest}
    with ExitStack() as background, ExitStack() as folder:
        artefact = None
        if processes.is_first:
            artefact = folder.enter_context(filling(output, identity, keep=True, precious=True))
        if processes.told(artefact is not None and artefact.complete):
            if processes.is_first:
                SavedStates(output).remove()
            yield None
            return
        if artefact is None:
            training = TrainingRun(run, settings, execution, examples_file, backbone, background, processes)
            following = FollowingSession(settings, execution, training.follow_a_checkpoint, processes)
            with following.watched():
                training.session = following
                yield training
                training.follow_a_checkpoint()
            return
        made_of = {"backbone": verify_weights(backbone), "examples": verify_file(examples_file)}
        training = TrainingRun(run, settings, execution, examples_file, backbone, background, processes)
        facts = {**identity, "made_of": made_of}
        with TrainingSession(
            artefact, facts, columns, settings, execution, training.save_checkpoint, run.name, processes
        ).watched() as session:
            write_text(output / "run.yaml", _yaml(description))
            training.session = session
            yield training
            session.keep_checkpoint("checkpoint")
            session.finish(run=description)


def _yaml(description: dict[str, Any]) -> str:
    """A run's description for people; programs find the same in the manifest."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(description, stream)
    return stream.getvalue()


def _frozen_images(
    model: Qwen2VLForConditionalGeneration, settings: TrainingSettings, execution: TrainingExecution
) -> FrozenImages:
    return FrozenImages(
        model, settings.precision, int(execution.memory_gb_per_process * 2**30 * SHARE_OF_MEMORY_FOR_IMAGES)
    )
