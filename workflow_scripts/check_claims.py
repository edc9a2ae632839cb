"""Check the paper's claims against the study's numbers: one csv row per claim, with a verdict."""

from __future__ import annotations

import argparse

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.claims import check_claims, claim_points
from othink_mr1.exhibits.frames import write_frame
from othink_mr1.exhibits.plans import StudiesPlan, read_plan
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.plan_files import made_of


def main() -> None:
    """Read the answers' verdicts, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=path_argument, required=True)
    parser.add_argument("--results", type=path_argument, required=True, help="root of the plan's paths")
    parser.add_argument("--output", type=path_argument, required=True)
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan, StudiesPlan)
    claims = check_claims(claim_points(plan, arguments.results))
    with made_of(arguments.plan, arguments.results):
        write_frame(arguments.output, claims)


if __name__ == "__main__":
    run_entry_point(main)
