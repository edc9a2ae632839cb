"""Check the paper's claims against the study's numbers: one csv row per claim, with a verdict."""

from __future__ import annotations

import argparse

from othink_mr1.errors import run_entry_point
from othink_mr1.exhibits.claims import check_claims
from othink_mr1.exhibits.frames import read_study, write_frame
from othink_mr1.study.path_argument import path_argument

STUDIES = ("same_task", "cross_task", "format_weight_sweep", "kl_weight_sweep")


def main() -> None:
    """Read the studies, check, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    for study in STUDIES:
        parser.add_argument(f"--{study.replace('_', '-')}", type=path_argument, required=True, metavar="CSV")
    parser.add_argument("--output", type=path_argument, required=True)
    arguments = parser.parse_args()
    studies = {study: read_study(getattr(arguments, study)) for study in STUDIES}
    write_frame(arguments.output, check_claims(studies))


if __name__ == "__main__":
    run_entry_point(main)
