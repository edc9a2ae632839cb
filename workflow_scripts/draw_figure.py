"""Draw one of the paper's figures: svg, png, html, and the csv of what it shows."""

from __future__ import annotations

import argparse
import importlib

from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.exhibits.figure_files import FigureInputs, write_figure
from othink_mr1.path_argument import path_argument
from othink_mr1.plan.plan_files import made_of

FIGURES = range(1, 9)


def main() -> None:
    """Read arguments, draw, write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=int, choices=FIGURES, required=True)
    parser.add_argument("--data", nargs="*", default=[], metavar="NAME=CSV", help="studies or reward curves")
    parser.add_argument(
        "--plan", type=path_argument, help="the figure's plan file; figures 2, 3 and 8 need it"
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
    figure = importlib.import_module(f"othink_mr1.exhibits.figure{arguments.figure}")
    drawn = figure.draw(inputs)
    with made_of(arguments.plan, arguments.results):
        write_figure(drawn, arguments.output_stem)


if __name__ == "__main__":
    run_entry_point(main)
