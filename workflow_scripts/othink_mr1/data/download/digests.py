"""Digests of a file's content while it comes in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

CHUNK = 2**20


@dataclass(frozen=True)
class Expected:
    """What is known of a file beforehand. git_sha1: of a git blob, whose digest covers the size too."""

    size: int | None = None
    sha256: str | None = None
    git_sha1: str | None = None


class Digests:
    """sha256 for the manifest, and git's sha1 for files that the hub lists by that."""

    def __init__(self, expected: Expected) -> None:
        self.expected = expected
        self.size = 0
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(b"blob %d\0" % (expected.size or 0)) if expected.git_sha1 else None

    def add(self, chunk: bytes) -> None:
        self.size += len(chunk)
        self._sha256.update(chunk)
        if self._git:
            self._git.update(chunk)

    def add_file(self, path: Path) -> None:
        with open(path, "rb") as stream:
            while chunk := stream.read(CHUNK):
                self.add(chunk)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def difference(self) -> str | None:
        """How the content differs from what is listed; None if it does not."""
        if self.expected.sha256 and self.sha256 != self.expected.sha256:
            return f"its sha256 is {self.sha256}, not {self.expected.sha256}"
        if self._git and self._git.hexdigest() != self.expected.git_sha1:
            return f"its git sha1 is {self._git.hexdigest()}, not {self.expected.git_sha1}"
        if self.expected.size not in (None, self.size):
            return f"it has {self.size} bytes, not {self.expected.size}"
        return None


def verified(path: Path, expected: Expected) -> str | None:
    """The file's sha256 if it is there and as expected; None otherwise."""
    if path.is_symlink() or not path.is_file() or expected.size not in (None, path.stat().st_size):
        return None
    digests = Digests(expected)
    digests.add_file(path)
    return None if digests.difference() else digests.sha256
