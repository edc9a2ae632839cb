"""Command line paths."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path


def path_argument(text: str) -> Path:
    """A command line path made absolute, as neither `.` nor the parent of `S.csv` has a name.

    Links are not resolved. A leading `~` is expanded: shells do not expand it in `--scores=~/S.csv`.
    """
    if not text:
        raise ArgumentTypeError("must name a file or a folder")
    return Path(os.path.abspath(os.path.expanduser(text)))
