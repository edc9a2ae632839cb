"""Atomic writes: a file is either the old or the new one, never half written, even after a power loss."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from othink_mr1.errors import UserError, naming


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary file is synced to disk before the rename, and the folder after it, so that a power loss
    leaves the old file or the new one. UserError if `path` is a folder, a pipe or a device, which the rename
    would replace.
    """
    _require_no_other_than_a_file(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A random name: processes on two machines may have the same process id.
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with naming(path):
            yield aside
            sync(aside)
            os.replace(aside, path)
            sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """UserError if no file can be written there; call it before doing the work."""
    try:
        _require_no_other_than_a_file(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}); choose another place") from None


def _require_no_other_than_a_file(path: Path) -> None:
    if path.exists() and not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise UserError(f"{path}: is {kind}; name a file to write")


@contextmanager
def folder_written_aside(folder: Path) -> Iterator[Path]:
    """The same for a folder, which must not exist: all its files are synced, then it is renamed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.partial")
    aside.mkdir()
    # On failure the hidden folder stays: deleting gigabytes would delay a process that is being stopped.
    with naming(folder):
        yield aside
        for path in [*aside.rglob("*"), aside]:
            sync(path)
        os.rename(aside, folder)
        sync(folder.parent)


def give_usual_mode(file: Path) -> None:
    """Let everyone who may read the folder read the file: safetensors allows only the owner."""
    file.chmod(file.parent.stat().st_mode & 0o666)


def sync(path: Path) -> None:
    """Bring a file's content, or a folder's entries, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(number)
    except OSError as error:
        # Some network file systems cannot sync folders, and report that.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(number)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, indented, with sorted keys."""
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """A value in the format of our JSON files: indented, with sorted keys."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def sha256_of(path: Path) -> str:
    """The file's sha256 in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
