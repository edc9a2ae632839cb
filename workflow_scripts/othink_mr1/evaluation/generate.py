"""Greedy answers of a checkpoint to a task's test questions."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.artefacts.artefact import Artefact, filling
from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.verification import verify_file
from othink_mr1.config.execution import GenerationExecution
from othink_mr1.data.examples import Example
from othink_mr1.data.progress import Progress
from othink_mr1.data.stored_examples import StoredExamples
from othink_mr1.errors import Diverged, UserError
from othink_mr1.evaluation import kept_answers
from othink_mr1.evaluation.batch_size import batch_size
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.evaluation.kept_answers import Completion, KeptAnswers, forget_answers
from othink_mr1.modeling.backbone import load_backbone, verify_weights
from othink_mr1.modeling.decoding import decode_as_they_end
from othink_mr1.modeling.device import Stopwatch, use_device
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.prepared_prompts import PreparedAhead, background_threads
from othink_mr1.modeling.processes import Processes, processes_of
from othink_mr1.modeling.processor import Qwen2VLProcessor, stop_tokens
from othink_mr1.modeling.prompts import Prompt, PromptMaker, fill_template
from othink_mr1.modeling.repetition_penalty import RepetitionPenalty
from othink_mr1.modeling.settled_greedy import SettledGreedy
from othink_mr1.modeling.token_choice import ChooseToken, greedy

Backbone = tuple[Qwen2VLForConditionalGeneration, Qwen2VLProcessor]

# Questions whose prompts are prepared ahead of decoding: at most 10 MB each.
AHEAD = 64


def generate_answers(
    checkpoint: Path,
    run_name: str,
    execution: GenerationExecution,
    precision: str,
    task: GenerationTask,
    examples: Path,
    output: Path,
) -> None:
    """Answer a task's questions. examples: file of the test set; output: folder to fill.

    Items answered by an interrupted attempt are not answered again. Of several processes each answers a
    share, and the first one, which owns the folder, writes all.
    """
    use_device(execution)
    processes = processes_of(execution)
    identity = {
        "run": run_name,
        "task": task.model_dump(mode="json"),
        "precision": precision,
        "made_of": {"checkpoint": verify_weights(checkpoint), "examples": verify_file(examples)},
    }
    with ExitStack() as folder:
        artefact = None
        if processes.is_first:
            artefact = folder.enter_context(filling(output, identity, keep=True, precious=True))
        if processes.told(artefact is not None and artefact.complete):
            if processes.is_first:
                forget_answers(output)
            return
        stopwatch = Stopwatch(execution)
        loaded = load_backbone(checkpoint, execution.device)
        stored = StoredExamples(examples)
        kept, facts = _answered(output, identity, loaded, execution, precision, task, stored, processes)
        if artefact is not None:
            _write(artefact, kept, task, stored, **stopwatch.facts(), **facts)


def _answered(
    folder: Path,
    identity: dict[str, Any],
    loaded: Backbone,
    execution: GenerationExecution,
    precision: str,
    task: GenerationTask,
    examples: StoredExamples,
    processes: Processes,
) -> tuple[dict[int, Completion], dict[str, Any]]:
    """All completions by item number, and facts for the manifest."""
    name = f"{identity['run']} on {task.name}"
    first = None
    if processes.is_first:
        for path in set(folder.iterdir()) - set(kept_answers.parts(folder)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        first = KeptAnswers(folder, identity, len(examples))
    before = processes.told(sorted(first.completions) if first else [])
    with first or KeptAnswers(folder, identity, len(examples), processes.rank) as kept:
        missing = processes.share(sorted(set(range(len(examples))) - set(before)))
        earlier = len(kept.completions)
        progress = Progress(name, len(missing))

        def answered(place: int, completion: Completion) -> None:
            kept.add(missing[place], completion)
            progress.reached(len(kept.completions) - earlier)

        chosen = [examples[index] for index in missing]
        at_a_time = _batch_size(name, loaded, chosen, task, precision)
        threads = background_threads(execution)
        try:
            answer(*loaded, chosen, task, at_a_time, precision, answered, threads)
        except Diverged as error:
            raise UserError(f"{name}: {error}; train it with a lower learning_rate") from None
    completions = dict(processes.joined(list(kept.completions.items())))
    return completions, {
        "batch_size": at_a_time,
        "answered_before": len(before),
        "commits": kept.commits,
    }


def _write(
    artefact: Artefact,
    completions: Mapping[int, Completion],
    task: GenerationTask,
    examples: StoredExamples,
    **facts: Any,
) -> None:
    lines = [
        json.dumps(
            {
                "id": example.id,
                "task": task.name,
                "question": example.question,
                "gold": example.gold,
                **completions[index]._asdict(),
            },
            ensure_ascii=False,
        )
        for index, example in ((index, examples[index]) for index in range(len(examples)))
    ]
    artefact.check_lock()
    write_text(artefact.folder / "answers.jsonl", "\n".join(lines) + "\n")
    artefact.finish(**facts)
    forget_answers(artefact.folder)


def _batch_size(
    name: str, loaded: Backbone, examples: Sequence[Example], task: GenerationTask, precision: str
) -> int:
    model, processor = loaded
    maker = PromptMaker(model, processor)
    try:
        return batch_size(model, maker, examples, task.prompt, task.max_new_tokens, precision)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def answer(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    examples: list[Example],
    task: GenerationTask,
    at_a_time: int,
    precision: str,
    answered: Callable[[int, Completion], None],
    threads: int = 0,
) -> None:
    """Call `answered` with each example's index and greedy completion, without special tokens, as each ends.

    threads: that prepare prompts while the model computes.

    A completion is truncated if it has max_new_tokens tokens and no stop token.

    No token is suppressed: the tokens are those of transformers' generate(do_sample=False), with the
    repetition penalty of the checkpoint's generation_config. In bf16 they may differ by rounding, which
    depends on how products are divided.
    """
    if not examples:
        return
    prompts = _PromptsOnDemand(PromptMaker(model, processor), examples, task.prompt, threads)
    # In bf16 close rivals are exact ties, and there are many: decoding alone would settle nothing.
    settled = precision == "fp32"
    penalty = RepetitionPenalty(model, prompts)
    choose: ChooseToken = (
        SettledGreedy(model, prompts, task.max_new_tokens, penalty.of) if settled else greedy
    )
    if penalty.acts:
        choose = penalty.applied(choose)
    # Autocast is here and not inside the generator, where it would stay active between items.
    stops = stop_tokens(processor)
    with prompts, autocast(precision, model.device):
        for number, tokens in decode_as_they_end(
            model, prompts, 1, task.max_new_tokens, stops, choose, at_a_time
        ):
            text = processor.tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            answered(number, Completion(text, truncated=tokens[-1] not in stops))


class _PromptsOnDemand(Sequence[Prompt]):
    """The examples' prompts, each made when decoding has room for it, or a little ahead.

    All of a set's pictures together take gigabytes.
    """

    def __init__(self, maker: PromptMaker, examples: Sequence[Example], template: str, threads: int) -> None:
        def make(indices: Sequence[int]) -> list[Prompt]:
            asked = [examples[index] for index in indices]
            texts = [fill_template(template, example.question) for example in asked]
            return maker.make([example.image for example in asked], texts)

        self._count = len(examples)
        self._ahead = PreparedAhead(make, lambda index: [index], self._count - 1, threads, AHEAD)

    def __enter__(self) -> _PromptsOnDemand:
        return self

    def __exit__(self, *_: object) -> None:
        self._ahead.__exit__()

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # decoding only asks for single items
        (prompt,) = self._ahead.take(index)
        return prompt
