"""Whether other machines can see a folder, as far as this machine can tell.

Only the other machines know for sure. This machine knows the type of file system: memory and container
layers are never shared; a local disk is not, unless it is exported; others may be.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

_NEVER = {"tmpfs", "ramfs", "devtmpfs", "overlay", "aufs", "squashfs"}
_LOCAL_DISKS = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "vfat"}

Sharing = Literal["never", "local disk", "perhaps"]


def sharing_of(folder: Path, mounts: str | None = None) -> tuple[Sharing, str]:
    """Whether other machines can see a folder, which need not exist yet, and its type of file system.

    mounts: for tests, the text of /proc/mounts.
    """
    kind = _file_system(Path(os.path.realpath(folder)), mounts)
    if kind in _NEVER:
        return "never", kind
    return ("local disk" if kind in _LOCAL_DISKS else "perhaps"), kind


def _file_system(path: Path, mounts: str | None) -> str:
    if mounts is None:
        try:
            mounts = Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return "unknown"
    best, found = -1, "unknown"
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        # Of two file systems mounted at one place, the later one is visible.
        if path.is_relative_to(place) and len(place) >= best and kind != "autofs":
            best, found = len(place), kind
    return found
