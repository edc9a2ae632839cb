"""Collect the training metrics of the GRPO runs into one csv, one row per optimiser update."""

from __future__ import annotations

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.collect_command import collect_by_arguments
from othink_mr1.exhibits.collected_tables import collect_reward_curves
from othink_mr1.exhibits.plans import RunsPlan


def main() -> None:
    collect_by_arguments(__doc__, RunsPlan, collect_reward_curves)


if __name__ == "__main__":
    run_entry_point(main)
