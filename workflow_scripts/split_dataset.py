"""Rule split_dataset: write the validation items of a prepared training set, or the rest."""

from __future__ import annotations

import argparse

from othink_mr1.data.split import split_dataset
from othink_mr1.errors import run_entry_point
from othink_mr1.path_argument import path_argument


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--examples", required=True, type=path_argument, help="examples.parquet of the whole set"
    )
    parser.add_argument("--part", required=True, choices=("rest", "validation"))
    parser.add_argument("--share", required=True, type=float, help="of the items, for validation; 0 to 1")
    parser.add_argument("--seed", required=True, type=int, help="which items are for validation")
    parser.add_argument("--output", required=True, type=path_argument, help="folder to fill")
    arguments = parser.parse_args()
    if not 0 < arguments.share < 1:
        parser.error(f"--share: must be between 0 and 1, got {arguments.share:g}")
    split_dataset(
        arguments.examples.parent, arguments.part, arguments.share, arguments.seed, arguments.output
    )


if __name__ == "__main__":
    run_entry_point(main)
