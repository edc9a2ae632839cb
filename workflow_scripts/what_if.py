"""Say what would run now, or after a change of the config, and why; nothing is run, nothing is written."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.config.read_yaml import read_documents
from othink_mr1.errors import run_tool
from othink_mr1.study.config_changes import parse_change
from othink_mr1.study.what_if import what_if, what_if_lines, what_if_list


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="a value to suppose, in YAML, in place of the config's; may be given several times: "
        "methods.grpo.learning_rate=2e-6, seeds=[42,43]",
    )
    parser.add_argument("--list", action="store_true", help="one line per job: rule, outputs, reason")
    arguments = parser.parse_args()
    changes = [parse_change(text) for text in arguments.set]
    document = read_documents([arguments.config, *arguments.overlay])
    found = what_if(document, changes)
    for line in (what_if_list if arguments.list else what_if_lines)(found):
        print(line)


if __name__ == "__main__":
    run_tool(main)
