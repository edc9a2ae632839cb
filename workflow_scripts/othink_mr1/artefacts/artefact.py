"""Artefact folders: complete or absent, filled by one process at a time.

A folder is complete when its manifest.json exists, which is written last. The rules declare it as update(),
so that Snakemake deletes it neither before repeating a job nor, with keep-incomplete, when an attempt fails.
To have an artefact made again, delete its folder.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.atomic_files import sync, write_text
from othink_mr1.artefacts.manifests import MANIFEST, entry_of, manifest_text
from othink_mr1.artefacts.one_writer import WriterLock, one_writer
from othink_mr1.artefacts.provenance import provenance
from othink_mr1.artefacts.verification import mark_of, verify_folder, visible_files
from othink_mr1.errors import Damaged, UserError

_COMPLETE = "complete\n"  # content of the mark file of a folder that has, or had, its manifest


class Artefact:
    """A folder that this process fills, or that is already complete."""

    def __init__(self, folder: Path, identity: Mapping[str, Any], lock: WriterLock, complete: bool) -> None:
        self.folder, self.complete = folder, complete
        self._identity, self._lock = identity, lock

    def check_lock(self) -> None:
        """UserError if another process has taken over the folder; call it before writing a result."""
        self._lock.check()

    def finish(self, digests: Mapping[str, str] | None = None, **facts: Any) -> None:
        """Write the manifest, last: the folder's files, its identity, its provenance, and further facts.

        digests: path in the folder -> sha256, for files that the caller has just read; others are read here.
        facts: JSON values, e.g. device, execution, wall_seconds, gpu_hours.
        """
        self._lock.check()
        write_manifest(self.folder, digests, **self._identity, **facts)
        write_text(mark_of(self.folder), _COMPLETE)
        self.complete = True


@contextmanager
def filling(
    folder: Path, identity: Mapping[str, Any], keep: bool = False, precious: bool = False
) -> Iterator[Artefact]:
    """Hold the lock of a folder to be filled; waits while another process fills it.

    identity: the manifest's facts that identify the artefact, JSON values.
    keep: keep what an interrupted attempt left, for a caller that checks it; otherwise it is removed.
    precious: a complete folder with a damaged file or a lost manifest is not made again until the user has
    deleted it.
    A folder that is already complete and sound is yielded as `complete`: there is nothing to do.
    Raises UserError if a complete folder has another identity, or if the folder was never an artefact's: then
    its files belong to the user.
    """
    with one_writer(folder) as lock:
        manifest = _finished(folder, precious)
        if manifest is not None:
            for name, value in identity.items():
                if manifest.get(name) != value:
                    raise UserError(
                        f"{folder}: is complete already, but was made with another {name}; delete this "
                        "folder to make it again, or write to another folder"
                    )
            print(f"{folder}: is complete already", file=sys.stderr, flush=True)
        else:
            _start(folder, keep)
        yield Artefact(folder, identity, lock, complete=manifest is not None)


def write_manifest(folder: Path, digests: Mapping[str, str] | None = None, **facts: Any) -> None:
    """Write the manifest of a folder: all its files except hidden ones."""
    files = [path for path in visible_files(folder) if path.is_file() and path != folder / MANIFEST]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    entries = {name: entry_of(path, (digests or {}).get(name)) for name, path in names.items()}
    # Synced before the manifest is written: a power loss must not leave a manifest without its files.
    for path in [*files, *{path.parent for path in files}]:
        sync(path)
    write_text(folder / MANIFEST, manifest_text({**facts, **provenance()}, entries))


def has_lost_manifest(folder: Path) -> bool:
    """Whether a folder without a manifest was complete."""
    mark = mark_of(folder)
    return folder.exists() and mark.exists() and mark.read_bytes() == _COMPLETE.encode()


def refuse_lost_manifest(folder: Path) -> None:
    """UserError for a folder without a manifest that was complete."""
    if has_lost_manifest(folder):
        raise UserError(
            f"{folder}: was complete and has lost its {MANIFEST}; restore that from a copy, or delete "
            f"{folder}, to have all of it made anew"
        )


def _finished(folder: Path, precious: bool) -> dict[str, Any] | None:
    """The manifest, if the folder is complete and sound."""
    if not (folder / MANIFEST).exists():
        if precious:
            refuse_lost_manifest(folder)
        return None
    try:
        return verify_folder(folder)
    except Damaged as error:
        if precious:
            raise
        print(f"{folder}: damaged, is made again: {error}", file=sys.stderr, flush=True)
        return None


def _start(folder: Path, keep: bool) -> None:
    mark = mark_of(folder)
    if folder.exists() and any(folder.iterdir()):
        if not mark.exists():
            raise UserError(
                f"{folder}: holds files that are no artefact of this workflow; move them, or choose another "
                "folder"
            )
        (folder / MANIFEST).unlink(missing_ok=True)
        if not keep:
            shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(mark, "")
