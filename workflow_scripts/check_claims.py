"""Check the paper's claims against the study's numbers: one csv row per claim, with a verdict."""

from __future__ import annotations

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.claims import check_claims, claim_points
from othink_mr1.exhibits.collect_command import collect_by_arguments
from othink_mr1.exhibits.plans import StudiesPlan


def main() -> None:
    collect_by_arguments(
        __doc__, StudiesPlan, lambda plan, results: check_claims(claim_points(plan, results), plan.note)
    )


if __name__ == "__main__":
    run_entry_point(main)
