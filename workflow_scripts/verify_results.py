"""Verify a results folder: read every file that has a manifest, list what is sound and what is damaged."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.errors import run_tool
from othink_mr1.path_argument import path_argument
from othink_mr1.tools.verify import report_lines, verify_results


def main() -> None:
    """Print the report; exit code 1 if anything is damaged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config.yaml"), help="the study's configuration")
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    parser.add_argument(
        "--results",
        type=path_argument,
        help="results folder to verify instead of the config's; needs no config",
    )
    arguments = parser.parse_args()
    results = arguments.results
    if results is None:
        results = Path(load_study([arguments.config, *arguments.overlay]).results)
    report = verify_results(results)
    for line in report_lines(results, report):
        print(line)
    if report.damaged:
        sys.exit(1)


if __name__ == "__main__":
    run_tool(main)
