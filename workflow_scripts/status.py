"""Show the progress of a study's trainings; safe to call at any time, also while they run."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.errors import run_tool
from othink_mr1.tools.status import status_table, study_status


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    arguments = parser.parse_args()
    for line in status_table(study_status(load_study([arguments.config, *arguments.overlay]))):
        print(line)


if __name__ == "__main__":
    run_tool(main)
