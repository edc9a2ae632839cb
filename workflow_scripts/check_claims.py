"""Check the paper's claims against the study's answers: one csv row per claim, with a verdict."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.claim_points import claim_points
from othink_mr1.exhibits.claims import check_claims
from othink_mr1.exhibits.collect_command import collect_by_arguments
from othink_mr1.exhibits.plan_files import StudiesPlan


def collect_claims(plan: StudiesPlan, results: Path) -> pd.DataFrame:
    """claims.csv, from the plans of same_task, cross_task and the two sweeps."""
    return check_claims({study.exhibit: claim_points(study, results) for study in plan.studies})


def main() -> None:
    """Read the plan, check, write."""
    collect_by_arguments(__doc__, StudiesPlan, collect_claims)


if __name__ == "__main__":
    run_entry_point(main)
