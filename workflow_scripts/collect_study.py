"""Collect a study's scores into one tidy csv: accuracies, 95 % intervals, the paper's values beside them."""

from __future__ import annotations

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.collect_command import collect_by_arguments
from othink_mr1.exhibits.plan_files import StudyPlan


def main() -> None:
    """Read the plan, collect, write."""
    collect_by_arguments(__doc__, StudyPlan, collect_study)


if __name__ == "__main__":
    run_entry_point(main)
