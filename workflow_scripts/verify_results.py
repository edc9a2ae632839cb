"""Verify a results folder: read every file that has a manifest, and say what is sound and what is damaged."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.errors import run_tool
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.origins import origins_of
from othink_mr1.tools.verify import report_lines, verify_results


def main() -> None:
    """Print the report; exit code 1 if anything is damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--config", type=Path, help="of the study whose results these are (default: config.yaml)"
    )
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    parser.add_argument(
        "--results", type=path_argument, help="another folder than the config's; needs no config"
    )
    arguments = parser.parse_args()
    results, origins = arguments.results, None
    if results is None or arguments.config or arguments.overlay:
        config = load_study([arguments.config or Path("config.yaml"), *arguments.overlay])
        results, origins = results or Path(config.results), origins_of(config)
    report = verify_results(results, origins)
    for line in report_lines(results, report):
        print(line)
    if report.damaged:
        sys.exit(1)


if __name__ == "__main__":
    run_tool(main)
