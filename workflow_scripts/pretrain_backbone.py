"""Rule pretrain_backbone: make the small backbone (tokenizer and weights) from its own sources."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.config.execution import TrainingExecution
from othink_mr1.config.sources import SmallBackbone
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.imports import torch_imports
from othink_mr1.json_argument import parse_json
from othink_mr1.path_argument import path_argument


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", required=True, help="the backbone's settings, as JSON")
    parser.add_argument(
        "--examples",
        required=True,
        nargs="+",
        metavar="NAME=FILE",
        help="prepared examples of every pretraining entry",
    )
    parser.add_argument("--execution", required=True, help="how to compute, as JSON")
    parser.add_argument("--output", required=True, type=path_argument, help="folder to fill")
    arguments = parser.parse_args()
    backbone = parse_json(SmallBackbone, arguments.backbone, "--backbone")
    execution = parse_json(TrainingExecution, arguments.execution, "--execution")
    files = dict(_named_file(text) for text in arguments.examples)

    with torch_imports():
        from othink_mr1.training.pretraining import pretrain_backbone

    pretrain_backbone(backbone, execution, files, arguments.output)


def _named_file(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not separator:
        raise UserError(f"--examples {text}: must be NAME=FILE")
    return name, path_argument(path)


if __name__ == "__main__":
    run_entry_point(main)
