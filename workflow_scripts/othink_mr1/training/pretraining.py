"""Pretraining of the small backbone: supervised, on a mixture of its own sources.

It does for the miniature what instruction tuning did for the 2B model: the backbone sometimes answers
correctly, and sometimes in the answer format instead of plain words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.verification import verify_file
from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.methods import SFT
from othink_mr1.config.sources import SmallBackbone
from othink_mr1.data.examples import Example
from othink_mr1.data.stored_examples import StoredExamples
from othink_mr1.errors import UserError
from othink_mr1.modeling.backbone import save_checkpoint
from othink_mr1.modeling.device import use_device
from othink_mr1.modeling.prepared_prompts import PreparedAhead, background_threads
from othink_mr1.modeling.processor import Qwen2VLProcessor, new_processor
from othink_mr1.modeling.prompts import Prompt, PromptMaker, fill_template, target_text
from othink_mr1.modeling.small_backbone import new_small_backbone
from othink_mr1.modeling.tokenizer import END_OF_MESSAGE, train_tokenizer
from othink_mr1.training.data_order import example_indices
from othink_mr1.training.saved_states import SavedStates
from othink_mr1.training.session import TrainingSession
from othink_mr1.training.supervised import COLUMNS, Lesson, train_supervised

# Number of each source's texts from which the tokenizer learns; with rendered text, more change nothing.
TOKENIZER_TEXTS = 1000

# Untagged texts are drawn from the seed's stream of this number, independent of the mixture's order.
UNTAGGED_STREAM = 1


def pretrain_backbone(
    settings: SmallBackbone, execution: TrainingExecution, example_files: Mapping[str, Path], output: Path
) -> None:
    """Make tokenizer and weights and fill the backbone's folder.

    example_files: prepared examples of every entry of settings.pretraining, by the entry's name.
    """
    if set(example_files) != set(settings.pretraining):
        raise UserError(
            f"--examples: give one file for each of {', '.join(sorted(settings.pretraining))}, "
            f"got {', '.join(sorted(example_files)) or 'none'}"
        )
    use_device(execution)
    # Without defaults, so that a setting added later does not change this backbone's identity.
    identity = {"settings": settings.model_dump(mode="json", exclude_defaults=True)}
    with ExitStack() as background, filling(output, identity, keep=True, precious=True) as artefact:
        if artefact.complete:
            SavedStates(output).remove()
            return
        made_of = {name: verify_file(path) for name, path in sorted(example_files.items())}
        model, processor, lessons_of = _prepare(settings, execution, example_files, background)
        with TrainingSession(
            artefact,
            {**identity, "made_of": made_of},
            COLUMNS,
            _as_sft(settings),
            execution,
            lambda folder: save_checkpoint(model, processor, folder),
            "pretraining",
        ).watched() as session:
            train_supervised(model, _as_sft(settings), execution, lessons_of, session)
            artefact.check_lock()
            save_checkpoint(model, processor, output)
            session.finish(backbone=settings.model_dump(mode="json"))


def _prepare(
    settings: SmallBackbone,
    execution: TrainingExecution,
    example_files: Mapping[str, Path],
    background: ExitStack,
) -> tuple[Qwen2VLForConditionalGeneration, Qwen2VLProcessor, Callable[[int], list[Lesson]]]:
    """Model, processor, and the lessons of each step (from 1). Deterministic.

    background: closed when no more lessons are needed.
    """
    examples = {name: StoredExamples(path) for name, path in example_files.items()}
    tokenizer = train_tokenizer(_texts(settings, examples), settings.vocabulary_size)
    processor = new_processor(tokenizer)
    model = new_small_backbone(settings, tokenizer).to(execution.device)
    maker = PromptMaker(model, processor)
    mixture = mixture_order(settings, {name: len(source) for name, source in examples.items()})
    untagged = untagged_places(settings, mixture)

    def places_of(step: int) -> range:
        return range((step - 1) * settings.batch_size, step * settings.batch_size)

    def make(places: Sequence[int]) -> list[tuple[Prompt, Example]]:
        chosen = [examples[name][index] for name, index in (mixture[place] for place in places)]
        prompts = maker.make(
            [example.image for example in chosen],
            [
                fill_template(settings.pretraining[mixture[place][0]].prompt, example.question)
                for place, example in zip(places, chosen, strict=True)
            ],
        )
        return list(zip(prompts, chosen, strict=True))

    ahead = background.enter_context(
        PreparedAhead(make, places_of, settings.steps, background_threads(execution))
    )

    def lessons_of(step: int) -> list[Lesson]:
        made = ahead.take(step)
        texts = [
            (untagged_text if untagged[place] else target_text)(example.reasoning, example.gold)
            for place, (_, example) in zip(places_of(step), made, strict=True)
        ]
        token_ids = processor.tokenizer([text + END_OF_MESSAGE for text in texts])["input_ids"]
        return [Lesson(prompt, target) for (prompt, _), target in zip(made, token_ids, strict=True)]

    return model, processor, lessons_of


def mixture_order(settings: SmallBackbone, sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    """(source, index) of every example of the pretraining, in order.

    Each place draws its source with the shares' probabilities; a source's examples come in its epoch order.
    """
    names = sorted(settings.pretraining)
    shares = np.array([settings.pretraining[name].share for name in names])
    places = settings.steps * settings.batch_size
    draws = np.random.default_rng(settings.seed).choice(len(names), size=places, p=shares / shares.sum())
    mixture: list[tuple[str, int]] = [("", -1)] * places
    for source, name in enumerate(names):
        own_places = np.flatnonzero(draws == source).tolist()
        if own_places:
            # One batch with all of this source's places gives its whole order at once.
            indices = example_indices(1, len(own_places), sizes[name], settings.seed)
            for place, index in zip(own_places, indices, strict=True):
                mixture[place] = (name, index)
    return mixture


def untagged_places(settings: SmallBackbone, mixture: Sequence[tuple[str, int]]) -> list[bool]:
    """Whether the text at each place of the mixture has no tags, with the share given for its source."""
    draws = np.random.default_rng([settings.seed, UNTAGGED_STREAM]).random(len(mixture))
    return [
        bool(draw < settings.pretraining[name].untagged)
        for draw, (name, _) in zip(draws, mixture, strict=True)
    ]


def untagged_text(reasoning: str | None, gold: str) -> str:
    """The content of target_text in plain words, without tags."""
    answer = f"The answer is {gold}."
    return answer if reasoning is None else f"{reasoning} {answer}"


def _texts(settings: SmallBackbone, examples: Mapping[str, StoredExamples]) -> list[str]:
    """Prompts and targets as the model will see them."""
    return [
        text
        for name in sorted(examples)
        for example in (examples[name][i] for i in range(min(TOKENIZER_TEXTS, len(examples[name]))))
        for text in (
            fill_template(settings.pretraining[name].prompt, example.question),
            target_text(example.reasoning, example.gold),
            *(
                [untagged_text(example.reasoning, example.gold)]
                if settings.pretraining[name].untagged
                else []
            ),
        )
    ]


def _as_sft(settings: SmallBackbone) -> SFT:
    """Optimiser settings that are not in the config: usual values for a model trained from scratch."""
    return SFT(
        trainer="sft",
        target="reasoning",
        learning_rate=settings.learning_rate,
        learning_rate_schedule="linear",
        warmup_fraction=settings.warmup_fraction,
        weight_decay=settings.weight_decay,
        adam_beta1=0.9,
        adam_beta2=0.98,
        max_gradient_norm=1.0,
        steps=settings.steps,
        checkpoint_steps=[],
        precision="fp32",
        train_vision_tower=True,
        batch_size=settings.batch_size,
    )
