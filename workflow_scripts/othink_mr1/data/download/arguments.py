"""The arguments that both download programs take."""

from __future__ import annotations

import argparse
from pathlib import Path

from othink_mr1.data.download.retries import Patience
from othink_mr1.errors import UserError
from othink_mr1.path_argument import path_argument


def add_download_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to put the files, and how patient to be."""
    default = Patience()
    parser.add_argument("--output", required=True, type=path_argument, help="folder to fill")
    parser.add_argument("--lock", required=True, type=Path, help="file that says what commit a branch is")
    parser.add_argument(
        "--attempts",
        type=int,
        default=default.attempts,
        help="in a row without a gain (default: %(default)s)",
    )
    parser.add_argument(
        "--first-wait",
        type=float,
        default=default.first_wait_seconds,
        help="seconds before the second attempt, later ones wait longer (default: %(default)s)",
    )


def patience_of(arguments: argparse.Namespace) -> Patience:
    """The patience that the arguments ask for. UserError if they make no sense."""
    if arguments.attempts < 1 or not 0 < arguments.first_wait < 3600:
        raise UserError("--attempts must be at least 1, --first-wait more than 0 and less than 3600 seconds")
    return Patience(arguments.attempts, arguments.first_wait)
