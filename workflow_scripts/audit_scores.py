"""Rule audit_scores: where the published scorer and the exact one part, per evaluation and item by item."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.frames import write_frame
from othink_mr1.exhibits.plan_files import StudyPlan, read_plan
from othink_mr1.exhibits.scorer_audit import audit_scores


def main() -> None:
    """Read the plan, audit, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True, help="the root of the paths in the plan")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    write_frame(arguments.output, audit_scores(read_plan(arguments.plan, StudyPlan), arguments.results))


if __name__ == "__main__":
    run_entry_point(main)
