"""Rule collect_leaks: one csv of the leaks between every training set and every test set."""

from __future__ import annotations

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.collect_command import collect_by_arguments
from othink_mr1.exhibits.collected_tables import collect_leaks
from othink_mr1.exhibits.plans import LeaksPlan


def main() -> None:
    collect_by_arguments(__doc__, LeaksPlan, collect_leaks)


if __name__ == "__main__":
    run_entry_point(main)
