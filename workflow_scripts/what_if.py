"""Show what would run now, or after a change of the config; runs nothing."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.errors import run_tool
from othink_mr1.tools.what_if import what_if


def main() -> None:
    """Print the report."""
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
    arguments = parser.parse_args()
    for line in what_if(arguments.overlay, arguments.set):
        print(line)


if __name__ == "__main__":
    run_tool(main)
