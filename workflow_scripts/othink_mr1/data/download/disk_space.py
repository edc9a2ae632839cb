"""Looks for room before tens of gigabytes are asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

from othink_mr1.errors import UserError

# Beside large sets: logs, manifests and the file system's own needs.
MARGIN_BYTES = 64 * 2**20
# For a small file whose size is not known beforehand. Those that we use have some hundred kilobytes.
SMALL_BYTES = 4 * 2**20
_REMEDY = "free disk space, or set `results` to another disk"


def require_space(folder: Path, missing_bytes: int, what: str) -> None:
    """UserError if the disk that `folder` lies on has no room for so many more bytes."""
    free = shutil.disk_usage(folder).free
    if missing_bytes + MARGIN_BYTES > free:
        raise UserError(
            f"{what}: {missing_bytes / 1e6:,.0f} MB are missing (and {MARGIN_BYTES / 1e6:,.0f} MB to spare), "
            f"but {folder} has {free / 1e6:,.0f} MB free; {_REMEDY}"
        )


def require_some_space(folder: Path, what: str) -> None:
    """UserError if the disk that `folder` lies on has hardly room for a small file of unknown size."""
    free = shutil.disk_usage(folder).free
    if free < SMALL_BYTES:
        raise UserError(f"{what}: {folder} has only {free / 1e6:,.1f} MB free; {_REMEDY}")
