"""Compare a study's methods, each with the best of its candidate settings: csv, Markdown, and how many seeds
a difference needs."""

from __future__ import annotations

from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.collect_command import plan_parser
from othink_mr1.exhibits.comparison_table import comparison_table
from othink_mr1.exhibits.frames import read_comparison, read_seeds, write_frame
from othink_mr1.exhibits.method_comparison import compare_methods
from othink_mr1.exhibits.plans import ComparisonPlan, read_plan
from othink_mr1.exhibits.seeds_needed import seeds_frame
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.plan_files import made_of


def main() -> None:
    parser = plan_parser(__doc__)
    parser.add_argument("--output", type=path_argument, required=True, metavar="CSV")
    parser.add_argument("--seeds", type=path_argument, required=True, metavar="CSV")
    parser.add_argument("--table", type=path_argument, required=True, metavar="MARKDOWN")
    arguments = parser.parse_args()
    plan = read_plan(arguments.plan, ComparisonPlan)
    frame, methods = compare_methods(plan, arguments.results)
    seeds = seeds_frame(methods, plan)
    with made_of(arguments.plan, arguments.results):
        write_frame(arguments.output, frame)
        write_frame(arguments.seeds, seeds)
        table = comparison_table(plan, read_comparison(arguments.output), read_seeds(arguments.seeds))
        write_sealed_text(arguments.table, table)


if __name__ == "__main__":
    run_entry_point(main)
