"""A GPU of one's own for each of several jobs on one machine. Slurm gives its jobs theirs by itself.

Snakemake counts the GPUs of its jobs (`--resources gpu=8`), but tells no job which one is its own
(snakemake issue 281). Here a job locks the file of a card, and shows CUDA that card alone. The kernel frees
the lock with the process, however that ends. The files are on local disk: they are about this machine.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

from othink_mr1.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
_LOCAL_RANK = "LOCAL_RANK"  # set by torchrun; the number of a process's card, for accelerate
_POLL_SECONDS = 1.0
_SAY_EVERY_SECONDS = 60.0

_held: list[FileLock] = []  # until the process ends


def take_card() -> None:
    """Lock one of the visible cards for this process, and show CUDA only that; wait if all are taken.

    Call it before CUDA is used. Nothing happens under Slurm, without a card, and the second time.
    UserError if the folder of the locks is another user's, or if a run's processes are more than the cards.
    """
    if _held or "SLURM_JOB_ID" in os.environ:
        return
    cards = visible_cards()
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if 0 < len(cards) < processes:
        raise UserError(f"execution asks for {processes} gpus, but this machine shows {len(cards)}; lower it")
    folder = _folder()
    said = -_SAY_EVERY_SECONDS
    while cards:
        for card in cards:
            lock = FileLock(folder / f"{re.sub(r'[^A-Za-z0-9-]', '_', card)}.lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                continue
            _held.append(lock)
            os.environ[VISIBLE] = card
            if _LOCAL_RANK in os.environ:
                os.environ[_LOCAL_RANK] = "0"  # of the only card that this process sees
            print(f"card {card} of {', '.join(cards)} is this job's", file=sys.stderr, flush=True)
            return
        if time.monotonic() - said >= _SAY_EVERY_SECONDS:
            said = time.monotonic()
            print(f"waits for a card: all of {', '.join(cards)} are taken", file=sys.stderr, flush=True)
        time.sleep(_POLL_SECONDS)


def visible_cards() -> list[str]:
    """The cards that CUDA would see, by number or name. CUDA is not started: that would fix the choice."""
    named = os.environ.get(VISIBLE)
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    import torch  # seconds; only if nothing names the cards

    return [str(number) for number in range(torch.cuda.device_count())]


def _folder() -> Path:
    """Where this user's locks are, for all of the user's results folders."""
    folder = Path(tempfile.gettempdir(), f"othink-mr1-cards-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise UserError(f"{folder}: is another user's; remove it, or set TMPDIR to another folder")
    return folder
