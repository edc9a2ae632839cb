"""Rule check_disjoint: make sure that a training and a test set share no picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.data.disjoint import compare_sets
from othink_mr1.errors import UserError, run_entry_point
from othink_mr1.study.artefacts import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True, type=Path, help="examples.parquet of the training set")
    parser.add_argument("--test", required=True, type=Path, help="examples.parquet of the test set")
    parser.add_argument("--report", required=True, type=Path, help="json to write")
    arguments = parser.parse_args()
    report = compare_sets(arguments.train, arguments.test)
    write_json(arguments.report, report)
    if report["shared_pictures"]:
        first = report["shared"][0]
        raise UserError(
            f"{arguments.test}: {report['shared_pictures']} of {report['test_rows']} pictures also stand in "
            f"{arguments.train}, e.g. its {first['train']} as {first['test']}; "
            "give one set another seed or source"
        )


if __name__ == "__main__":
    run_entry_point(main)
