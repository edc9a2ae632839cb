"""The command line of both download programs."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Collection
from pathlib import Path
from typing import Any

from othink_mr1.data.download.client import Patience
from othink_mr1.data.download.environment import check_network_variables
from othink_mr1.data.download.sources import download
from othink_mr1.errors import UserError
from othink_mr1.json_argument import parse_json
from othink_mr1.path_argument import path_argument


def download_by_arguments(description: str | None, what: str, settings: Any, kinds: Collection[str]) -> None:
    """Parse the arguments and download. UserError if they make no sense, or if the download fails.

    what: name of the option that has the settings as JSON; settings: their type; kinds: those of them that
    can be downloaded.
    """
    default = Patience()
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(f"--{what}", required=True, help=f"the {what}'s settings, as JSON", dest="settings")
    parser.add_argument("--output", required=True, type=path_argument, help="folder to fill")
    parser.add_argument("--lock", required=True, type=Path, help="file that says what commit a branch is")
    parser.add_argument(
        "--attempts",
        type=int,
        default=default.attempts,
        help="failed attempts in a row, without new data, before giving up (default: %(default)s)",
    )
    parser.add_argument(
        "--first-wait",
        type=float,
        default=default.first_wait_seconds,
        help="seconds before the second attempt, later ones wait longer (default: %(default)s)",
    )
    arguments = parser.parse_args()
    check_network_variables()
    # Otherwise Ctrl-C would wait until the hub's library has fetched its current files.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    source = parse_json(settings, arguments.settings, f"--{what}")
    if source.kind not in kinds:
        raise UserError(f"--{what}: must be of kind {' or '.join(kinds)}, got {source.kind}")
    if arguments.attempts < 1 or not 0 < arguments.first_wait < 3600:
        raise UserError("--attempts must be at least 1, --first-wait more than 0 and less than 3600 seconds")
    patience = Patience(arguments.attempts, arguments.first_wait)
    download(source, arguments.output, arguments.lock, patience)
