"""Files and artefact folders that are either complete or absent.

An artefact folder (a prepared data set, a backbone, a run, a set of answers) is complete when its
`manifest.json` exists: it is written last, and names every file with its size and sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from othink_mr1.errors import UserError

MANIFEST = "manifest.json"

# The packages whose version can change a number; recorded with every artefact.
RECORDED_PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "tokenizers",
    "numpy",
    "pandas",
    "pillow",
    "math-verify",
    "altair",
)


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block succeeds.

    The temporary file is synced to disk first, so that a power loss leaves the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield aside
        with open(aside, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with written_aside(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file atomically, indented, with sorted keys."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def sha256_of(path: Path) -> str:
    """The file's sha256 in hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def start_folder(folder: Path) -> None:
    """Make an artefact folder to be filled; what an interrupted attempt left in it is no result.

    Raises UserError if the folder is complete, or was never an artefact's: its files are somebody's.
    """
    if (folder / MANIFEST).exists():
        raise UserError(f"{folder}: is complete already; delete its {MANIFEST} to make it again")
    if folder.exists() and any(folder.iterdir()):
        if not _mark(folder).exists():
            raise UserError(
                f"{folder}: holds files that are no artefact of this workflow; choose another folder"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _mark(folder).touch()


def continue_folder(folder: Path) -> None:
    """Like start_folder, but what an interrupted attempt left stays, for a caller that checks it."""
    kept = folder.exists() and _mark(folder).exists() and not (folder / MANIFEST).exists()
    if not kept:
        start_folder(folder)


def _mark(folder: Path) -> Path:
    """The hidden file beside a folder that says that the folder is an artefact's and may be emptied."""
    return folder.with_name(f".{folder.name}.artefact")


def finish_folder(folder: Path, digests: Mapping[str, str] | None = None, **facts: Any) -> None:
    """Write the manifest, last: what is in the folder, who made it, and the caller's own facts.

    digests: path in the folder -> sha256, of files that the caller has just read; others are read here.
    facts: JSON values, e.g. identity, device, execution, wall_seconds, gpu_hours.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MANIFEST)
    manifest = {
        **facts,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": _package_versions(),
        "files": {
            name: {"bytes": path.stat().st_size, "sha256": (digests or {}).get(name) or sha256_of(path)}
            for name, path in ((path.relative_to(folder).as_posix(), path) for path in files)
        },
    }
    write_json(folder / MANIFEST, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """The folder's manifest. UserError if the folder is incomplete."""
    path = folder / MANIFEST
    if not path.exists():
        raise UserError(f"{folder}: incomplete, it has no {MANIFEST}; run snakemake to make it")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError as error:
        raise UserError(f"{path}: is no JSON ({error}); delete it and run snakemake again") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise UserError(f"{path}: lists no files; delete it and run snakemake again")
    return manifest


def verify_folder(folder: Path) -> dict[str, Any]:
    """Read every file of a finished folder and compare it with the manifest, which is returned.

    UserError, naming the file and what to do, if one is missing, has another size or sha256, cannot be
    read, or is not listed. Hidden ones need not be: network drives and file browsers leave theirs anywhere.
    """
    manifest = read_manifest(folder)
    for path in visible_files(folder):
        if path != folder / MANIFEST and path.relative_to(folder).as_posix() not in manifest["files"]:
            raise UserError(
                f"{path}: is not listed in {folder / MANIFEST}, so it did not come with the others; "
                "move it out of this folder"
            )
    for name, expected in manifest["files"].items():
        path = folder / name
        again = f"delete {path} and {folder / MANIFEST}, then run snakemake again"
        if not path.is_file():
            raise UserError(f"{path}: missing, though the manifest lists it; {again}")
        size = path.stat().st_size
        if size != expected["bytes"]:
            raise UserError(f"{path}: has {size} bytes, the manifest says {expected['bytes']}; {again}")
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise _unreadable(path, error) from None
        if digest != expected["sha256"]:
            raise UserError(f"{path}: its sha256 is not the manifest's, the file was damaged; {again}")
    return manifest


def visible_files(folder: Path) -> list[Path]:
    """The files and links in a folder, in order, but none whose path within the folder has a hidden part."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and (path.is_symlink() or not path.is_dir())
    ]


def _unreadable(path: Path, error: OSError) -> UserError:
    return UserError(f"{path}: cannot be read ({error.strerror}); check its permissions and its disk")


def _commit() -> str | None:
    """The repository's commit, with `+` when files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        # One bounded call each: a manifest must not hang on a slow file system.
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return commit + ("+" if changed else "")


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions
