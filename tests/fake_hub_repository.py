"""One repository of the fake hub at one commit: sizes and digests as in git and LFS."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

# The hub's default .gitattributes puts these into LFS, and all files above 10 MB.
LFS_SUFFIXES = frozenset(
    (".parquet", ".zip", ".tgz", ".gz", ".tar", ".safetensors", ".bin", ".pt", ".pkl", ".png", ".jpg")
)
LFS_BYTES = 10_000_000


@dataclass(frozen=True)
class File:
    """One file: its content, and its digests as the hub lists them."""

    path: str
    content: bytes | Path
    size: int
    git_sha1: str
    lfs_sha256: str | None

    def read(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()

    @property
    def etag(self) -> str:
        return self.lfs_sha256 or self.git_sha1

    @property
    def xet_hash(self) -> str:
        """A digest of the content other than the sha256; any will do."""
        return hashlib.sha256(self.etag.encode()).hexdigest()

    def listed(self) -> dict[str, Any]:
        """The file's entry in a tree listing."""
        entry: dict[str, Any] = {"type": "file", "oid": self.git_sha1, "size": self.size, "path": self.path}
        if self.lfs_sha256:
            pointer = len(pointer_text(self.lfs_sha256, self.size))
            entry["xetHash"] = self.xet_hash
            entry["lfs"] = {"oid": self.lfs_sha256, "size": self.size, "pointerSize": pointer}
        return entry


@dataclass(frozen=True)
class Commit:
    """A repository at one commit."""

    sha: str
    files: dict[str, File]

    def tree(self) -> list[dict[str, Any]]:
        """All entries of the recursive listing: folders and files."""
        folders = {
            parent.as_posix()
            for path in self.files
            for parent in PurePosixPath(path).parents
            if parent.as_posix() != "."
        }
        entries: list[dict[str, Any]] = [
            {"type": "directory", "oid": hashlib.sha1(name.encode()).hexdigest(), "size": 0, "path": name}
            for name in folders
        ]
        entries += [file.listed() for file in self.files.values()]
        return sorted(entries, key=lambda entry: str(entry["path"]))

    def card(self) -> dict[str, Any]:
        """The part of the README's header that the tests use: `license: x`."""
        readme = self.files.get("README.md")
        header = re.match(r"---\n(.*?)\n---", readme.read().decode() if readme else "", re.DOTALL)
        licence = re.search(r"^license:\s*(\S+)", header[1], re.MULTILINE) if header else None
        return {"license": licence[1]} if licence else {}


def pointer_text(sha256: str, size: int) -> str:
    """What git itself stores for an LFS file."""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"


def git_sha1(body: bytes) -> str:
    """Git's sha1 of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def commit_of(repository: str, files: Mapping[str, bytes | Path]) -> Commit:
    """The commit of these files: its hash depends on the repository and on every byte."""
    known = {}
    for path, content in files.items():
        body = content if isinstance(content, bytes) else content.read_bytes()
        lfs = None
        if PurePosixPath(path).suffix.lower() in LFS_SUFFIXES or len(body) > LFS_BYTES:
            lfs = hashlib.sha256(body).hexdigest()
        stored = pointer_text(lfs, len(body)).encode() if lfs else body
        known[path] = File(path, content, len(body), git_sha1(stored), lfs)
    text = "\n".join([repository, *(f"{path} {known[path].git_sha1}" for path in sorted(known))])
    return Commit(hashlib.sha1(text.encode()).hexdigest(), known)
