"""One Snakemake at a time per results folder.

Snakemake's own lock knows its working directory alone: two checkouts may share one results folder. Before a
job starts, Snakemake deletes what the job is to make, also what another Snakemake has made meanwhile, and
perhaps reads at this moment.

A Snakemake that stood still for minutes, and whose place one on another machine has taken, is not told. What
both then fill is still filled by one job after the other.
"""

from __future__ import annotations

import atexit
from pathlib import Path

from othink_mr1.artefacts.writer_lock import Held, take, who
from othink_mr1.errors import UserError

_LOCK = "snakemake"  # the lock file is <results>/.snakemake.writer.<n>


def hold_results(results: Path) -> None:
    """Let no other Snakemake work on the results until this process ends. UserError if one does already."""
    try:
        # Absolute: by the time of atexit Snakemake is back in the folder that it was started in.
        lock = take(results.absolute() / _LOCK, wait=False, name=results)
    except Held as held:
        raise UserError(
            f"{results}: another snakemake is at work here ({who(held.holder)}); wait until it has ended, or "
            "set `results` to another folder"
        ) from None
    atexit.register(lock.release, done=True)
