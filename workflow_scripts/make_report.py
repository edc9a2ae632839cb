"""Make report.html from what of a study is there: by the workflow from a plan, or by hand from the config.

What is not there yet is shown as missing. It may be called while jobs run.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.config.load import load_study
from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.plans import ReportPlan, read_plan
from othink_mr1.imports import quick_imports
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.exhibits import REPORT, all_plans
from othink_mr1.plan.plan_files import made_of

with quick_imports():
    from othink_mr1.report.page import write_report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=path_argument, help="the workflow's plan; else --config and --overlay")
    parser.add_argument("--results", type=path_argument, help="the root of the paths in the plan")
    parser.add_argument("--output", type=path_argument, help="default: <results>/report.html")
    parser.add_argument("--config", type=Path, default=Path("config.yaml"))
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="merged in order")
    arguments = parser.parse_args()
    if arguments.plan is None:
        config = load_study([arguments.config, *arguments.overlay])
        plan, results = ReportPlan.model_validate(all_plans(config)[REPORT]), Path(config.results)
    elif arguments.results is None:
        parser.error("--plan needs --results")
    else:
        plan, results = read_plan(arguments.plan, ReportPlan), arguments.results
    output = arguments.output or results / "report.html"
    with made_of(arguments.plan, results):
        write_report(plan, results, output)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_entry_point(main)
