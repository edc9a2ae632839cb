"""Show a picture to a checkpoint and ask: what it answers, greedily, as in the evaluation.

ask.py --checkpoint results/…/checkpoint --image my.png "How many …?"
ask.py --run geometry-grpo-d-alpha1-s42 --image my.png "What is angle ABC?"    the run whose name begins so
ask.py --compare --task counting --image my.png --questions questions.txt
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from pydantic import ValidationError

from othink_mr1.config.load import load_study
from othink_mr1.config.study import StudyConfig
from othink_mr1.config.suggest import unknown_name
from othink_mr1.data.row_to_example import RowLimits
from othink_mr1.errors import UserError, printable, run_entry_point
from othink_mr1.evaluation.checkpoints import (
    Checkpoint,
    checkpoint_in,
    checkpoint_of_run,
    checkpoints_of_task,
)
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.imports import torch_imports
from othink_mr1.path_argument import path_argument


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--checkpoint", type=path_argument, help="a checkpoint's folder")
    which.add_argument("--run", help="a finished run's name, or its beginning")
    which.add_argument("--compare", action="store_true", help="every method trained on --task")
    parser.add_argument("--image", type=path_argument, required=True)
    parser.add_argument("question", nargs="*", help="one or several")
    parser.add_argument("--questions", type=path_argument, help="a text file, a question per line")
    parser.add_argument("--task", help="whose test prompt is used; the default is the task trained on")
    parser.add_argument("--prompt", help="in place of the task's, with {question} in it")
    parser.add_argument("--seed", type=int, help="for --compare; the default is the lowest")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    arguments = parser.parse_args()
    config = load_study([arguments.config, *arguments.overlay])
    questions = [*arguments.question, *_lines(arguments.questions)]
    if not questions:
        raise UserError("no question: write one, in quotes, or name a file by --questions")
    checkpoints = _checkpoints(config, arguments)
    task = _task(config, arguments, checkpoints[0])
    limits = RowLimits(config.preparation.max_pixels, config.preparation.max_prompt_tokens)

    with torch_imports():
        from othink_mr1.evaluation.asking import ask, asked

    examples = asked(arguments.image, questions, limits)
    cpus = os.cpu_count() or 1
    for checkpoint in checkpoints:
        completions = ask(checkpoint.folder, examples, task, config.evaluation.precision, cpus)
        for question, completion in zip(questions, completions, strict=True):
            if len(questions) > 1:
                print(f"? {printable(question)}")
            cut = f"   [cut at {task.max_new_tokens} tokens]" if completion.truncated else ""
            name = f"{checkpoint.name}: " if len(checkpoints) > 1 else ""
            print(f"{name}{printable(completion.completion)}{cut}")


def _checkpoints(config: StudyConfig, arguments: argparse.Namespace) -> list[Checkpoint]:
    if arguments.checkpoint is not None:
        return [checkpoint_in(arguments.checkpoint)]
    if arguments.run is not None:
        return [checkpoint_of_run(Path(config.results), arguments.run)]
    if arguments.task is None:
        raise UserError("--compare: needs --task, the task that the methods were trained on")
    return checkpoints_of_task(config, arguments.task, arguments.seed)


def _task(config: StudyConfig, arguments: argparse.Namespace, checkpoint: Checkpoint) -> GenerationTask:
    name = arguments.task or checkpoint.task
    if name is None:
        raise UserError(f"{checkpoint.folder}: nothing says what it was trained on; give --task")
    if name not in config.tasks:
        raise UserError(f"--task: {unknown_name('task', name, config.tasks)}")
    prompt = arguments.prompt if arguments.prompt is not None else config.tasks[name].test_prompt
    if "{question}" not in prompt:
        raise UserError(f"--prompt: must have {{question}} in it, got {prompt!r:.80}")
    try:
        return GenerationTask(name=name, prompt=prompt, max_new_tokens=config.tasks[name].max_new_tokens)
    except ValidationError as error:
        raise UserError(f"--prompt: {error.errors()[0]['msg']}, got {prompt!r:.80}") from None


def _lines(file: Path | None) -> list[str]:
    if file is None:
        return []
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{file}: cannot be read as text ({error})") from None


if __name__ == "__main__":
    run_entry_point(main)
