"""Rule audit_scores: where the published and the exact scorer disagree, per evaluation and per item."""

from __future__ import annotations

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.collect_command import collect_by_arguments
from othink_mr1.exhibits.plans import StudyPlan
from othink_mr1.exhibits.scorer_audit import audit_scores


def main() -> None:
    collect_by_arguments(__doc__, StudyPlan, audit_scores)


if __name__ == "__main__":
    run_entry_point(main)
