"""Make table 1 in Markdown and LaTeX from the same-task study."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.frames import read_study
from othink_mr1.exhibits.plans import TablePlan, read_plan
from othink_mr1.exhibits.table1 import latex, markdown, table1
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.plan_files import made_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=path_argument, required=True, help="the table's plan file")
    parser.add_argument("--results", type=path_argument, default=Path("."), help="the results root")
    parser.add_argument("--same-task", type=path_argument, required=True, metavar="CSV")
    parser.add_argument("--output-markdown", type=path_argument, required=True)
    parser.add_argument("--output-latex", type=path_argument, required=True)
    arguments = parser.parse_args()
    table = table1(read_study(arguments.same_task), read_plan(arguments.plan, TablePlan))
    with made_of(arguments.plan, arguments.results):
        write_sealed_text(arguments.output_markdown, markdown(table))
        write_sealed_text(arguments.output_latex, latex(table))


if __name__ == "__main__":
    run_entry_point(main)
