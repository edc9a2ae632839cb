"""Draw a figure: svg, pdf, png, its caption in Markdown and LaTeX, and the csv of what it shows."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import replace

from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.imports import quick_imports
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.exhibits import COUNTS, MATRIX, TRAINING, comparison
from othink_mr1.plan.plan_files import made_of

with quick_imports():
    from othink_mr1.exhibits import comparison_figure, study_figure
    from othink_mr1.exhibits.figure_files import FigureInputs, write_figure
    from othink_mr1.exhibits.plans import NotedPlan, read_plan

# A figure's name -> its module; a figure of another name is of the study that is named so.
MODULES = {f"figure{number}": f"figure{number}" for number in range(1, 9)} | {
    TRAINING: "training_figure",
    COUNTS: "counts_figure",
    MATRIX: "matrix_figure",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--figure", required=True, help=f"{', '.join(MODULES)}, or a study that varies settings"
    )
    parser.add_argument("--data", nargs="*", default=[], metavar="NAME=CSV", help="studies or reward curves")
    parser.add_argument(
        "--plan", type=path_argument, help="the figure's plan file; those that show items need it"
    )
    parser.add_argument(
        "--results", type=path_argument, required=True, help="the root of the paths in the plan"
    )
    parser.add_argument(
        "--output-stem",
        type=path_argument,
        required=True,
        help="figures/figure1 writes figures/figure1.svg …",
    )
    arguments = parser.parse_args()

    data = {}
    for pair in arguments.data:
        name, separator, path = pair.partition("=")
        if not (name and separator and path):
            raise UserError(f"--data {pair!r}: must be NAME=CSV")
        data[name] = path_argument(path)
    inputs = FigureInputs(data=data, plan=arguments.plan, results=arguments.results)
    if arguments.figure in MODULES:
        drawn = importlib.import_module(f"othink_mr1.exhibits.{MODULES[arguments.figure]}").draw(inputs)
    elif comparison(arguments.figure) in data:
        drawn = comparison_figure.draw(inputs, arguments.figure)
    else:
        drawn = study_figure.draw(inputs, arguments.figure)
    if arguments.plan is not None and (note := read_plan(arguments.plan, NotedPlan).note):
        drawn = replace(drawn, caption=[*drawn.caption, note.rstrip(".")])
    with made_of(arguments.plan, arguments.results):
        write_figure(drawn, arguments.output_stem)


if __name__ == "__main__":
    run_entry_point(main)
