"""Rule generate_answers: a checkpoint's greedy answers to the test questions of one or more tasks."""

from __future__ import annotations

import argparse

from othink_mr1.artefacts.artefact import put_manifest_back
from othink_mr1.config.execution import GenerationExecution
from othink_mr1.errors import run_entry_point
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.json_argument import parse_json
from othink_mr1.path_argument import path_argument


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--checkpoint", required=True, type=path_argument, help="folder of a backbone or checkpoint"
    )
    parser.add_argument("--run-name", required=True, help="for the manifest: run, or run-step<n>")
    parser.add_argument("--execution", required=True, help="how to compute, as JSON")
    parser.add_argument("--precision", required=True, choices=("fp32", "bf16"))
    parser.add_argument(
        "--task",
        required=True,
        action="append",
        help="JSON with name, examples, prompt, max_new_tokens, output; may be given several times",
    )
    arguments = parser.parse_args()
    execution = parse_json(GenerationExecution, arguments.execution, "--execution")
    tasks = [parse_json(GenerationTask, text, "--task") for text in arguments.task]

    for task in tasks:
        put_manifest_back(path_argument(task.output))

    # Imported late: torch and transformers take seconds, mistakes above should not.
    from othink_mr1.evaluation.generate import generate_answers

    generate_answers(arguments.checkpoint, arguments.run_name, execution, arguments.precision, tasks)


if __name__ == "__main__":
    run_entry_point(main)
