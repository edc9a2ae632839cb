"""A picture and questions of the user's, answered as the evaluation answers a test set's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from transformers.utils.logging import disable_progress_bar

from othink_mr1.config.execution import GenerationExecution
from othink_mr1.data.examples import Example
from othink_mr1.data.images import LARGEST_FILE
from othink_mr1.data.row_to_example import RawRow, RowLimits, UnusableRow, row_to_example
from othink_mr1.errors import UserError, first_line
from othink_mr1.evaluation.generate import answer
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.evaluation.kept_answers import Completion
from othink_mr1.modeling.backbone import load_backbone
from othink_mr1.modeling.device import use_device

_AT_A_TIME = 16  # questions


def asked(image: Path, questions: Sequence[str], limits: RowLimits) -> list[Example]:
    """The questions about a picture, prepared like a test set's. UserError if any of it is unusable."""
    try:
        if image.stat().st_size > LARGEST_FILE:
            raise UserError(f"{image}: has more than {LARGEST_FILE >> 20} MB; is it a picture?")
        data = image.read_bytes()
    except OSError as error:
        raise UserError(f"{image}: cannot be read ({first_line(error)})") from None
    examples = []
    for number, question in enumerate(questions):
        row = RawRow(str(image), data, question, "no gold", None)
        try:
            examples.append(row_to_example(row, number, limits))
        except UnusableRow as error:
            detail = f" ({error.detail})" if error.detail else ""
            raise UserError(f"{image}, question {question!r:.80}: {error}{detail}") from None
    return examples


def ask(
    checkpoint: Path, examples: list[Example], task: GenerationTask, precision: str, cpus: int
) -> list[Completion]:
    """The greedy completions of a checkpoint, one per question. On a GPU if there is one, else on the CPU.

    cpus: threads on the CPU. UserError if the folder is no checkpoint, or is damaged.
    """
    device: Literal["cuda", "cpu"] = "cuda" if torch.cuda.is_available() else "cpu"
    gpus = int(device == "cuda")
    use_device(GenerationExecution(cpus=cpus, memory_gb=1.0, hours=1.0, device=device, gpus=gpus))
    disable_progress_bar()  # of loading, which takes a second
    model, processor = load_backbone(checkpoint, device)
    found: dict[int, Completion] = {}
    answer(model, processor, examples, task, _AT_A_TIME, precision, found.__setitem__)
    return [found[number] for number in range(len(examples))]
