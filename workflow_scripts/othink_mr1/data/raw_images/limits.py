"""What an archive from the network may ask for. What breaks a limit is refused, not mended."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from othink_mr1.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")

LARGEST_MEMBER = 64 * 2**20  # bytes of one image, unpacked
LARGEST_ARCHIVE = 64 * 2**30  # bytes of a whole archive, unpacked; the full SuperCLEVR has 12 GB
MOST_MEMBERS = 200_000  # the full SuperCLEVR has some 30,000
# Unpacked bytes per packed byte. Pictures are compressed already: theirs is near 1, a bomb's near 1000.
LARGEST_RATIO = 200
RATIO_FREE = 2**20  # bytes below which the ratio says nothing


def is_image(name: str) -> bool:
    """Whether a path is an image's, by its suffix; nested archives and other files are left alone."""
    return PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def refuse(archive: Path, why: str) -> UserError:
    """The error for an archive that no honest program wrote."""
    return UserError(f"{archive}: {why}; do not use this file")


def check_name(name: str, archive: Path) -> None:
    """UserError if a member's name leads out of the archive, or is made to be read in two ways."""
    if "\0" in name:
        raise refuse(archive, f"member {name!r} has a NUL in its name")
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or ":" in parts[0] or ".." in parts:
        raise refuse(archive, f"member {name!r} leads out of the archive")


def check_count(count: int, archive: Path) -> None:
    """UserError if there are too many members."""
    if count > MOST_MEMBERS:
        raise refuse(archive, f"has {count} members, at most {MOST_MEMBERS} are allowed")


def check_size(name: str, size: int, archive: Path) -> None:
    """UserError if an image declares more bytes than any image here has, or less than none."""
    if not 0 <= size <= LARGEST_MEMBER:
        raise refuse(archive, f"member {name!r} declares {size} bytes, at most {LARGEST_MEMBER} are allowed")


def largest_unpacked(packed: int) -> int:
    """How many bytes may come out of `packed` bytes."""
    return min(LARGEST_ARCHIVE, max(RATIO_FREE, LARGEST_RATIO * packed))
