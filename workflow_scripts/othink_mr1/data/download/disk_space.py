"""Looks for room before tens of gigabytes are asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

from othink_mr1.errors import UserError

# Beside large sets: logs, manifests and the file system's own needs.
MARGIN_BYTES = 64 * 2**20


def require_space(folder: Path, missing_bytes: int, what: str, margin: int = MARGIN_BYTES) -> None:
    """UserError if the disk that `folder` lies on has no room for so many more bytes and a margin."""
    free = shutil.disk_usage(folder).free
    if missing_bytes + margin > free:
        raise UserError(
            f"{what}: {missing_bytes / 1e6:,.0f} MB are missing (and {margin / 1e6:,.0f} MB to spare), but "
            f"{folder} has {free / 1e6:,.0f} MB free; free disk space, or set `results` to another disk"
        )
