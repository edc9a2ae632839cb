"""Paths of the command line."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path


def path_argument(text: str) -> Path:
    """A file or folder of the command line, absolute: `.` has no name, and `S.csv` no folder with one.

    Links stay as they are. A leading `~` is the home folder: shells leave it as it is in `--scores=~/S.csv`.
    """
    if not text:
        raise ArgumentTypeError("must name a file or a folder")
    return Path(os.path.abspath(os.path.expanduser(text)))
