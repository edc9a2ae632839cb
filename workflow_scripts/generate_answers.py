"""Rule generate_answers: a checkpoint's greedy answers to a task's test questions."""

from __future__ import annotations

import argparse

from othink_mr1.config.execution import GenerationExecution
from othink_mr1.errors import run_entry_point
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.imports import torch_imports
from othink_mr1.json_argument import parse_json
from othink_mr1.path_argument import path_argument


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--checkpoint", required=True, type=path_argument, help="folder of a backbone or checkpoint"
    )
    parser.add_argument(
        "--run-name", required=True, help="name written into the manifest: <run> or <run>-step<n>"
    )
    parser.add_argument("--examples", required=True, type=path_argument, help="the test set's examples")
    parser.add_argument("--task", required=True, help="JSON with name, prompt, max_new_tokens")
    parser.add_argument("--precision", required=True, choices=("fp32", "bf16"))
    parser.add_argument("--execution", required=True, help="how to compute, as JSON")
    parser.add_argument("--output", required=True, type=path_argument, help="the answers' folder, to fill")
    arguments = parser.parse_args()
    execution = parse_json(GenerationExecution, arguments.execution, "--execution")
    task = parse_json(GenerationTask, arguments.task, "--task")

    with torch_imports():
        from othink_mr1.evaluation.generate import generate_answers

    generate_answers(
        arguments.checkpoint,
        arguments.run_name,
        execution,
        arguments.precision,
        task,
        arguments.examples,
        arguments.output,
    )


if __name__ == "__main__":
    run_entry_point(main)
