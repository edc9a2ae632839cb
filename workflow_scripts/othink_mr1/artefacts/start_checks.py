"""What is refused before work starts on a results root: links below it, and results from the future."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from othink_mr1.artefacts.results_tree import WRITTEN_TO
from othink_mr1.errors import UserError

SECONDS_AHEAD = 150.0  # by which another machine's clock may differ

_LEVELS = 3  # below the root's folders: answers/<checkpoint>/<task>/<file>


def refuse_links(results: Path) -> None:
    """UserError if a folder or file that work may empty or write into is a link to another place.

    The root itself may be one.
    """
    for name in (*WRITTEN_TO, "logs", "benchmarks"):
        _refuse_links(results / name, _LEVELS)


def _refuse_links(path: Path, levels: int) -> None:
    if path.is_symlink():
        raise UserError(
            f"{path}: is a link, and the workflow could delete what it points to; replace it by the folder "
            "or file itself (only `results` itself may be a link)"
        )
    # A job of a former Snakemake may delete what is being looked at.
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.scandir(path) if levels else ():
            if entry.is_symlink() or entry.is_dir():
                _refuse_links(Path(entry), levels - 1)


def refuse_future(results: Iterable[Path]) -> None:
    """UserError if the time of a result is in the future, by more than clocks may differ.

    Snakemake would make all again that is made of it, and then refuse it for being older. A result of a clock
    that is a little ahead gets the present time.
    """
    now = time.time()
    for path in results:
        ahead = path.stat().st_mtime - now if path.exists() else 0.0
        if ahead > SECONDS_AHEAD:
            raise UserError(
                f"{path}: its time is {_duration(ahead)} in the future; check the clock of this machine, or "
                f"run: touch -d now {path}"
            )
        if ahead > 0:
            os.utime(path, (now, now))  # without times a network drive would take its own clock


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"
