"""Show what would run now, or after a change of the config, and what it costs; runs nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.errors import run_tool
from othink_mr1.tools.what_if import what_if, whole_cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="a value to suppose, in YAML, in place of the config's; may be given several times: "
        "methods.grpo.learning_rate=2e-6, seeds=[42,43]",
    )
    parser.add_argument(
        "--whole",
        action="store_true",
        help="only what the whole study costs, whether its results are there or not",
    )
    arguments = parser.parse_args()
    if arguments.whole and arguments.set:
        parser.error("--whole and --set exclude each other; put the change into an overlay")
    told = whole_cost(arguments.overlay) if arguments.whole else what_if(arguments.overlay, arguments.set)
    for line in told:
        print(line)


if __name__ == "__main__":
    run_tool(main)
