"""Rule collect_leaks: the leaks of all pairs of a training and a test set in one csv."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.frames import write_frame
from othink_mr1.exhibits.leaks_table import collect_leaks
from othink_mr1.exhibits.plan_files import LeaksPlan, read_plan


def main() -> None:
    """Read the plan, collect, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True, help="the root of the paths in the plan")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    write_frame(arguments.output, collect_leaks(read_plan(arguments.plan, LeaksPlan), arguments.results))


if __name__ == "__main__":
    run_entry_point(main)
