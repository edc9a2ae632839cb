"""Comparing artefacts with their manifests when they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.atomic_files import json_text, sha256_of
from othink_mr1.artefacts.manifests import (
    MANIFEST,
    manifest_beside,
    parse_manifest,
    read_manifest,
    unreadable,
)
from othink_mr1.errors import Damaged, UserError

_TRAINING_RECORDS = ("metrics.csv", "tensorboard/")


def mark_of(folder: Path) -> Path:
    """The hidden file beside a folder that marks it as an artefact folder, which may be emptied."""
    return folder.with_name(f".{folder.name}.artefact")


def is_artefact(folder: Path) -> bool:
    """Whether a folder is an artefact folder, complete or not; any other belongs to the user."""
    return (folder / MANIFEST).exists() or mark_of(folder).exists()


def verify_folder(folder: Path) -> dict[str, Any]:
    """Compare every file of a finished folder with its manifest; returns the manifest.

    UserError, naming the file and what to do, if a file is missing, has another size or sha256, cannot be
    read, or is not listed. Unlisted hidden files are allowed: network drives and file browsers create them.
    """
    manifest = read_manifest(folder)
    for fault in faults(folder, manifest):
        raise fault
    return manifest


def faults(
    folder: Path, manifest: Mapping[str, Any], read: Callable[[int], None] = lambda size: None
) -> Iterator[UserError]:
    """All reasons for which verify_folder would refuse a folder.

    read: called with the listed size in bytes of each file after it was compared.
    """
    return _faults(folder, manifest, manifest["files"], visible_files(folder), read)


def verify_part(folder: Path, part: str) -> dict[str, str]:
    """Compare only the files below folder/part; returns their sha256 by their path within it.

    Raises UserError as verify_folder does, also if the manifest lists no such files.
    """
    manifest = read_manifest(folder)
    listed = {name: entry for name, entry in manifest["files"].items() if name.startswith(f"{part}/")}
    if not listed:
        raise UserError(f"{folder}: its {MANIFEST} lists nothing in {part}/; is it of another run?")
    for fault in _faults(folder, manifest, listed, visible_files(folder / part, folder)):
        raise fault
    return {name.removeprefix(f"{part}/"): entry["sha256"] for name, entry in listed.items()}


def verify_file(path: Path) -> str:
    """Compare one file of an artefact folder with the folder's manifest; returns its sha256.

    Raises UserError as verify_folder does. A file outside artefact folders is the user's: it is only read.
    """
    folder = path.parent
    if is_artefact(folder):
        manifest = read_manifest(folder)
        files = manifest["files"]
        if path.name not in files:
            raise UserError(f"{path}: is not listed in {folder / MANIFEST}; is it of another study?")
        for fault in _faults(folder, manifest, {path.name: files[path.name]}, []):
            raise fault
        return str(files[path.name]["sha256"])
    try:
        return sha256_of(path)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; run snakemake to make it") from None
    except OSError as error:
        raise unreadable(path, error) from None


def verify_sealed(path: Path, make: str = "run snakemake to make it") -> dict[str, Any]:
    """Compare a single file with the manifest beside it, and return that. UserError as verify_folder.

    make: what the message tells to do if there is no such file.
    """
    manifest = manifest_beside(path)
    again = f"delete {path} and run snakemake again"
    if not path.exists():
        raise UserError(f"{path}: there is no such file; {make}")
    if not manifest.exists():
        # Not just "delete it": the user may have put this file in place of the workflow's.
        raise UserError(
            f"{path}: has no {manifest.name} beside it, so it may be damaged; if the workflow made it, "
            f"{again}"
        )
    facts = parse_manifest(manifest, again)
    if list(facts["files"]) != [path.name]:
        raise UserError(f"{manifest}: is of another file; {again}")
    _compare(path, facts["files"][path.name], again)
    return facts


def contents_digest(files: Mapping[str, str]) -> str:
    """One digest for the files of a backbone or checkpoint: of the paths and sha256 of its files.

    Records of its training are left out: they contain times, and the weights do not.
    """
    told = {name: sha256 for name, sha256 in files.items() if not name.startswith(_TRAINING_RECORDS)}
    return hashlib.sha256(json_text(told).encode()).hexdigest()


def visible_files(folder: Path, root: Path | None = None) -> list[Path]:
    """The files and links in a folder, in order, except those with a hidden part in their path below root."""
    root = root or folder
    return [
        path
        for path in sorted(folder.rglob("*"))
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
        and (path.is_symlink() or not path.is_dir())
    ]


def _faults(
    folder: Path,
    manifest: Mapping[str, Any],
    listed: Mapping[str, Mapping[str, Any]],
    present: Iterable[Path],
    read: Callable[[int], None] = lambda size: None,
) -> Iterator[UserError]:
    """What is wrong with the listed files, and which existing files are not listed."""
    for path in present:
        if path != folder / MANIFEST and path.relative_to(folder).as_posix() not in listed:
            yield UserError(
                f"{path}: is not listed in {folder / MANIFEST}, so it did not come with the others; "
                "move it out of this folder"
            )
    for name, expected in listed.items():
        again = _remedy(folder, manifest)
        try:
            _compare(folder / name, expected, again)
        except UserError as error:
            yield error
        read(expected["bytes"])


def _remedy(folder: Path, manifest: Mapping[str, Any]) -> str:
    """What to do about a damaged file; the message begins with its name."""
    settings = manifest.get("source") or manifest.get("backbone") or {}
    if isinstance(settings, Mapping) and settings.get("kind") in ("hub", "url"):
        # A download resumes from the existing files.
        return f"delete it and {folder / MANIFEST}, and run snakemake again"
    return (
        f"restore it from a copy, or delete {folder}, to have all of that made anew, and run snakemake again"
    )


def _compare(path: Path, expected: Mapping[str, Any], again: str) -> None:
    """Raise if the file is not as expected. again: what to do then."""
    if not path.is_file():
        raise Damaged(f"{path}: missing, though the manifest lists it; {again}")
    size = path.stat().st_size
    if size != expected["bytes"]:
        raise Damaged(f"{path}: has {size} bytes, the manifest says {expected['bytes']}; {again}")
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise unreadable(path, error) from None
    if digest != expected["sha256"]:
        raise Damaged(f"{path}: its sha256 is not the manifest's, the file was damaged; {again}")
