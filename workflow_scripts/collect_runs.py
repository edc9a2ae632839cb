"""Collect every trained run into one csv: its settings, its cost, its last metrics."""

from __future__ import annotations

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.collect_command import collect_by_arguments
from othink_mr1.exhibits.collected_tables import collect_runs
from othink_mr1.exhibits.plans import RunsPlan


def main() -> None:
    collect_by_arguments(__doc__, RunsPlan, collect_runs)


if __name__ == "__main__":
    run_entry_point(main)
