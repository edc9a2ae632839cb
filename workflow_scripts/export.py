"""Write a finished run's checkpoint as a folder for transformers' Auto classes, with a model card.

export.py --run geometry-grpo-d-alpha1-s42 --output my-model      the run whose name begins so
export.py --run geometry-grpo-d-alpha1-s42 --output my-model --bf16 --push OWNER/NAME

The card tells what the run's data sets are made of, so they must be there, as the workflow left them.

--push commits the folder to a repository of the hub, which is made, private, if there is none. HF_TOKEN must
be a token that may write there. Nothing there is overwritten.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.evaluation.checkpoints import checkpoint_of_run
from othink_mr1.exhibits.model_card import model_card
from othink_mr1.imports import quick_imports
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.runs import all_runs


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", required=True, help="a finished run's name, or its beginning")
    parser.add_argument("--output", type=path_argument, required=True, help="folder to write; must be new")
    parser.add_argument("--bf16", action="store_true", help="round the weights: half the size of fp32")
    parser.add_argument("--push", metavar="OWNER/NAME", help="a model repository on the hub")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    arguments = parser.parse_args()
    config = load_study([arguments.config, *arguments.overlay])
    if arguments.output.resolve().is_relative_to(Path(config.results).resolve()):
        raise UserError(
            f"--output {arguments.output}: must be outside {config.results}, which is the study's"
        )
    checkpoint = checkpoint_of_run(Path(config.results), arguments.run)
    runs = {run.name: run for run in all_runs(config)}
    if (run := runs.get(checkpoint.name)) is None:
        raise UserError(f"--run {checkpoint.name}: no study of this config has it; add its --overlay")

    # Imported late: torch and transformers take seconds, and the checks above should be instant.
    with quick_imports():
        from othink_mr1.data.upload import push_model, require_pushable
        from othink_mr1.modeling.export import export_checkpoint, refuse_existing

    refuse_existing(arguments.output)
    if arguments.push:
        require_pushable(arguments.push)
    in_bf16 = arguments.bf16 or run.settings.checkpoint_precision == "bf16"
    card = model_card(config, run, "bf16" if in_bf16 else "fp32")
    export_checkpoint(checkpoint.folder, arguments.output, card, arguments.bf16)
    print(f"{arguments.output}: written; README.md in it is the model card", flush=True)
    if arguments.push:
        print(f"pushes to {arguments.push}", flush=True)
        print(push_model(arguments.output, arguments.push, f"Add {run.name}"))


if __name__ == "__main__":
    run_entry_point(main)
