"""Manifests: an artefact's files with size and sha256, and a sha256 of the manifest itself.

An artefact folder (a prepared data set, a backbone, a run, a set of answers) has manifest.json in it. A
single file (a table of scores, an exhibit) has a hidden manifest beside it, `.<name>.manifest.json`.
A manifest is written last: an artefact that has one is complete.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from othink_mr1.artefacts.atomic_files import json_text, sha256_of, write_text, written_aside
from othink_mr1.artefacts.provenance import provenance
from othink_mr1.errors import Damaged, UserError

MANIFEST = "manifest.json"
# Of the rest of the manifest, so that a flipped byte in a run's settings or cost is detected too.
_OWN_DIGEST = "manifest_sha256"
NO_FACTS: Mapping[str, Any] = MappingProxyType({})


def manifest_beside(file: Path) -> Path:
    """Where the manifest of a single file is."""
    return file.with_name(f".{file.name}.{MANIFEST}")


def manifest_text(facts: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> str:
    """The text of a manifest. facts: JSON values; files: name -> bytes and sha256."""
    content = {**facts, "files": dict(files)}
    return json_text({**content, _OWN_DIGEST: _digest(content)})


def entry_of(path: Path, sha256: str | None = None) -> dict[str, Any]:
    """A file's entry in a manifest; the file is read if its sha256 is not given."""
    return {"bytes": path.stat().st_size, "sha256": sha256 or sha256_of(path)}


@contextmanager
def written_sealed(file: Path, facts: Mapping[str, Any] = NO_FACTS) -> Iterator[Path]:
    """Like written_aside, and write the manifest beside the file: readers refuse the file if it was changed.

    facts: JSON values, for the manifest.

    The manifest is written first: a process killed in between leaves no file without a manifest, which would
    have to be deleted by hand.
    """
    with written_aside(file) as aside:
        yield aside
        seal(file, facts, entry_of(aside))


def seal(file: Path, facts: Mapping[str, Any] = NO_FACTS, entry: Mapping[str, Any] | None = None) -> None:
    """Write the manifest beside a single file. entry: the file's, if it has just been read."""
    content = {**facts, **provenance()}
    write_text(manifest_beside(file), manifest_text(content, {file.name: entry or entry_of(file)}))


def write_sealed_text(file: Path, text: str, facts: Mapping[str, Any] = NO_FACTS) -> None:
    """Write a text file atomically, and its manifest beside it."""
    with written_sealed(file, facts) as aside:
        aside.write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """A folder's manifest. UserError if the folder is incomplete, or the manifest damaged."""
    path = folder / MANIFEST
    if not path.exists():
        raise UserError(f"{folder}: incomplete, it has no {MANIFEST}; run snakemake to make it")
    return parse_manifest(path, "delete it and run snakemake again")


def parse_manifest(path: Path, remedy: str) -> dict[str, Any]:
    """The manifest in a file, checked. UserError if it is damaged; `remedy`: what the message tells to do."""
    try:
        # Not read_text, which converts line ends.
        text = path.read_bytes().decode("utf-8")
        manifest = json.loads(text)
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, RecursionError):
        raise Damaged(f"{path}: is no JSON, the file was damaged; {remedy}") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise Damaged(f"{path}: lists no files, the file was damaged; {remedy}")
    if _OWN_DIGEST not in manifest:
        raise UserError(
            f"{path}: has no {_OWN_DIGEST}, as manifests of earlier versions of this workflow had none; use "
            "it with that version, or another results folder with this one"
        )
    own = manifest.pop(_OWN_DIGEST)
    if own != _digest(manifest) or text != json_text({**manifest, _OWN_DIGEST: own}):
        raise Damaged(f"{path}: its content is not what was written ({_OWN_DIGEST} differs); {remedy}")
    return manifest


def unreadable(path: Path, error: OSError) -> UserError:
    """The error for a file that exists and cannot be read."""
    return UserError(f"{path}: cannot be read ({error.strerror}); check its permissions and its disk")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_text(content).encode("utf-8", "surrogatepass")).hexdigest()
