"""Collect a study's scores into one tidy csv: accuracies, 95 % intervals, the paper's values.

Also writes the same as a Markdown table.
"""

from __future__ import annotations

from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.plans import StudyPlan, read_plan
from othink_mr1.imports import quick_imports
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.plan_files import made_of

with quick_imports():
    from othink_mr1.exhibits.collect import collect_study
    from othink_mr1.exhibits.collect_command import plan_parser
    from othink_mr1.exhibits.frames import read_study, write_frame
    from othink_mr1.exhibits.study_table import study_table


def main() -> None:
    parser = plan_parser(__doc__)
    parser.add_argument("--output", type=path_argument, required=True, metavar="CSV")
    parser.add_argument("--table", type=path_argument, required=True, metavar="MARKDOWN")
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan, StudyPlan)
    frame = collect_study(plan, arguments.results)
    with made_of(arguments.plan, arguments.results):
        write_frame(arguments.output, frame)
        write_sealed_text(arguments.table, study_table(plan.exhibit, read_study(arguments.output)))


if __name__ == "__main__":
    run_entry_point(main)
