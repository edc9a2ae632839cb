"""Rule train_sft: post-train a backbone on one task with SFT."""

from __future__ import annotations

import argparse

from othink_mr1.config.execution import TrainingExecution
from othink_mr1.errors import run_entry_point
from othink_mr1.imports import torch_imports
from othink_mr1.json_argument import parse_json
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.runs import RunDescription


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="the run's description, as JSON")
    parser.add_argument("--execution", required=True, help="how to compute, as JSON")
    parser.add_argument("--examples", required=True, type=path_argument, help="prepared training examples")
    parser.add_argument("--backbone", required=True, type=path_argument, help="folder of the backbone")
    parser.add_argument("--output", required=True, type=path_argument, help="the run's folder, to fill")
    arguments = parser.parse_args()
    run = parse_json(RunDescription, arguments.run, "--run")
    execution = parse_json(TrainingExecution, arguments.execution, "--execution")

    with torch_imports():
        from othink_mr1.training.sft_runs import train_sft_run

    train_sft_run(run, execution, arguments.examples, arguments.backbone, arguments.output)


if __name__ == "__main__":
    run_entry_point(main)
