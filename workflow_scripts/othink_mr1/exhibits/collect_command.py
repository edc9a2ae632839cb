"""The command line of entry points that make an exhibit from a plan."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from othink_mr1.exhibits.frames import write_frame
from othink_mr1.exhibits.plans import Plan, read_plan
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.plan_files import made_of


def plan_parser(description: str | None) -> argparse.ArgumentParser:
    """A parser that has --plan and --results."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--plan", type=path_argument, required=True)
    parser.add_argument(
        "--results", type=path_argument, required=True, help="the root of the paths in the plan"
    )
    return parser


def collect_by_arguments(
    description: str | None, plan: type[Plan], collect: Callable[[Plan, Path], pd.DataFrame]
) -> None:
    """Parse --plan, --results and --output, collect, and write the csv.

    plan: the plan file's model. collect: from the plan and the results root to the frame.
    """
    parser = plan_parser(description)
    parser.add_argument("--output", type=path_argument, required=True)
    arguments = parser.parse_args()
    frame = collect(read_plan(arguments.plan, plan), arguments.results)
    with made_of(arguments.plan, arguments.results):
        write_frame(arguments.output, frame)
