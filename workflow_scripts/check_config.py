"""Check the study's config and its overlays without running anything."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.errors import run_entry_point
from othink_mr1.plan.identity import check_local_sources
from othink_mr1.plan.runs import all_runs
from othink_mr1.scoring.task_scorers import check_scorers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    parser.add_argument(
        "--set", default="", metavar="PATH=VALUE ...", help="changes, as in SET of the Makefile"
    )
    arguments = parser.parse_args()
    config = load_study([arguments.config, *arguments.overlay], {"set": arguments.set})
    check_scorers(config)
    check_local_sources(config)
    trained = sum(run.trained for run in all_runs(config))
    print(f"config is sound: {len(config.studies)} studies, {trained} training runs, into {config.results}")


if __name__ == "__main__":
    run_entry_point(main)
