"""Looks for room before tens of gigabytes are asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

from othink_mr1.errors import UserError

# Logs, manifests and the file system's own needs.
MARGIN_BYTES = 64 * 2**20


def require_space(folder: Path, missing_bytes: int, what: str) -> None:
    """UserError if the disk that `folder` lies on has no room for so many more bytes."""
    free = shutil.disk_usage(folder).free
    if missing_bytes + MARGIN_BYTES > free:
        raise UserError(
            f"{what}: {missing_bytes / 1e6:,.0f} MB are missing (and {MARGIN_BYTES / 1e6:,.0f} MB to spare), "
            f"but {folder} has {free / 1e6:,.0f} MB free; free disk space, or set `results` to another disk"
        )
