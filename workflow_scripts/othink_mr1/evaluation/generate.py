"""Greedy answers of a checkpoint to a task's test questions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from transformers import Qwen2VLForConditionalGeneration

from othink_mr1.data.examples import Example
from othink_mr1.data.progress import Progress
from othink_mr1.data.stored_examples import StoredExamples
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.modeling.backbone import load_backbone
from othink_mr1.modeling.decoding import decode_as_they_end, greedy
from othink_mr1.modeling.device import Stopwatch, use_device
from othink_mr1.modeling.precision import autocast
from othink_mr1.modeling.processor import Qwen2VLProcessor, stop_tokens
from othink_mr1.modeling.prompts import Prompt, PromptMaker, fill_template
from othink_mr1.study.artefacts import finish_folder, start_folder, write_text
from othink_mr1.study.execution import GenerationExecution


def generate_answers(
    checkpoint: Path,
    run_name: str,
    execution: GenerationExecution,
    precision: str,
    tasks: list[GenerationTask],
) -> None:
    """Answer every task's questions with one load of the checkpoint; fill each task's output folder."""
    use_device(execution)
    model, processor = load_backbone(checkpoint, execution.attention, execution.device)
    for task in tasks:
        output = Path(task.output)
        start_folder(output)
        stopwatch = Stopwatch(execution)
        examples = StoredExamples(Path(task.examples))
        chosen = [examples[index] for index in range(len(examples))]
        progress = Progress(f"{run_name} on {task.name}", len(chosen))
        completions = answer(model, processor, chosen, task, execution.batch_size, precision, progress)
        lines = [
            json.dumps(
                {
                    "id": example.id,
                    "task": task.name,
                    "question": example.question,
                    "gold": example.gold,
                    "completion": completion,
                },
                ensure_ascii=False,
            )
            for example, completion in zip(chosen, completions, strict=True)
        ]
        write_text(output / "answers.jsonl", "\n".join(lines) + "\n")
        finish_folder(
            output,
            run=run_name,
            task=task.model_dump(mode="json", exclude={"examples", "output"}),
            precision=precision,
            **stopwatch.facts(),
        )


def answer(
    model: Qwen2VLForConditionalGeneration,
    processor: Qwen2VLProcessor,
    examples: list[Example],
    task: GenerationTask,
    batch_size: int,
    precision: str,
    progress: Progress,
) -> list[str]:
    """Greedy completions, one per example in their order, without special tokens.

    Nothing is suppressed: these are the tokens that transformers' generate(do_sample=False) gives; in
    bf16, whose rounding depends on how products are divided, up to that.
    """
    prompts = _PromptsOnDemand(PromptMaker(model, processor), examples, task.prompt)
    completions = [""] * len(examples)
    done = 0
    # Not inside the generator: its autocast would hold between its items, too.
    with autocast(precision, model.device):
        for number, tokens in decode_as_they_end(
            model, prompts, 1, task.max_new_tokens, stop_tokens(processor), greedy, batch_size
        ):
            completions[number] = processor.tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
            done += 1
            progress.say(done)
    return completions


class _PromptsOnDemand(Sequence[Prompt]):
    """The examples' prompts, each made when decoding has a place for it: a set's pictures take gigabytes."""

    def __init__(self, maker: PromptMaker, examples: Sequence[Example], template: str) -> None:
        self._maker, self._examples, self._template = maker, examples, template

    def __len__(self) -> int:
        return len(self._examples)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # decoding takes one at a time
        example = self._examples[index]
        return self._maker.make([example.image], [fill_template(self._template, example.question)])[0]
