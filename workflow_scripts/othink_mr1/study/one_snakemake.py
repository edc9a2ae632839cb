"""One Snakemake at a time per results folder.

Snakemake's own lock knows its working directory alone: two checkouts may share one results folder. Before a
job starts, Snakemake deletes what the job is to make, also what another Snakemake has made meanwhile, and
perhaps reads at this moment.
"""

from __future__ import annotations

import atexit
from pathlib import Path

from othink_mr1.errors import UserError
from othink_mr1.study.writer_lock import Held, take, who

_LOCK = "snakemake"  # the lock file is <results>/.snakemake.writer.<n>


def hold_results(results: Path) -> None:
    """Let no other Snakemake work on the results until this process ends. UserError if one does already."""
    try:
        lock = take(results / _LOCK, wait=False)
    except Held as held:
        raise UserError(
            f"{results}: another snakemake is at work here ({who(held.holder)}); wait until it has ended, or "
            "set `results` to another folder"
        ) from None
    atexit.register(lock.release, done=True)
