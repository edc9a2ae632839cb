"""Rule fingerprint_dataset: digests of a prepared set's pictures and questions, for finding leaks."""

from __future__ import annotations

import argparse

from othink_mr1.data.fingerprints import fingerprint_set
from othink_mr1.errors import run_entry_point
from othink_mr1.path_argument import path_argument


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", required=True, type=path_argument, help="examples.parquet of the set")
    parser.add_argument("--output", required=True, type=path_argument, help="parquet to write")
    parser.add_argument(
        "--threads", type=int, default=1, help="number of threads; does not change the result"
    )
    arguments = parser.parse_args()
    fingerprint_set(arguments.examples, arguments.output, max(1, arguments.threads))


if __name__ == "__main__":
    run_entry_point(main)
