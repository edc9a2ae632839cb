"""Rule find_leaks: test items of one set that also appear, identical or nearly so, in a training set."""

from __future__ import annotations

import argparse

from othink_mr1.data.fingerprints import read_fingerprints
from othink_mr1.data.leaks import count_leaks, find_leaks, refuse_shared_pictures, write_leaks
from othink_mr1.errors import run_entry_point
from othink_mr1.path_argument import path_argument


def main() -> None:
    """Compare two sets, write the report; with --refuse, a shared picture is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", required=True, type=path_argument, help="fingerprints of the training set")
    parser.add_argument("--test", required=True, type=path_argument, help="fingerprints of the test set")
    parser.add_argument("--train-name", required=True)
    parser.add_argument("--test-name", required=True)
    parser.add_argument(
        "--output", required=True, type=path_argument, help="csv to write, a row per test item found"
    )
    parser.add_argument("--refuse", action="store_true", help="the sets must not share a picture")
    arguments = parser.parse_args()
    train, test = read_fingerprints(arguments.train), read_fingerprints(arguments.test)
    if arguments.refuse:
        refuse_shared_pictures(train, test, arguments.train, arguments.test)
    leaks = find_leaks(train, test, arguments.train_name, arguments.test_name)
    write_leaks(arguments.output, leaks)
    counts = count_leaks(leaks)
    print(
        f"of {len(test.ids)} items of {arguments.test_name}, {arguments.train_name} has {counts.same} with "
        f"picture and question, {counts.near} with a near picture and the question, {counts.picture} with "
        "the picture and only other questions (of these, some may count among the near ones too)"
    )


if __name__ == "__main__":
    run_entry_point(main)
