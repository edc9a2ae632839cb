"""What is in a results folder: artefact folders, files with a manifest, leftovers of interrupted writing.

Only places that the workflow writes to are searched, and only for the workflow's own files: another study's
results inside this folder (results/mini) and the user's files are ignored.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from othink_mr1.artefacts.manifests import MANIFEST, manifest_beside
from othink_mr1.artefacts.verification import is_artefact

KINDS = ("raw", "data", "backbones", "runs", "answers", "scores", "exhibits")

# Folder -> how many levels below it the artefact folders are.
_LEVELS = {"raw": 1, "data": 1, "backbones": 1, "runs": 1, "answers": 2}
# Kind, folder and suffix; all such files belong to the workflow.
_SEALED = (
    ("data", "data/fingerprints", ".parquet"),
    ("data", "data/leaks", ".csv"),
    ("scores", "scores/*/*", ".csv"),
)
# Exhibits: folder, suffixes, and the prefixes of their plans' names.
_EXHIBITS = (
    (".", (".csv", ".html"), ("",)),
    ("tables", (".md", ".tex"), ("",)),
    ("figures", (".svg", ".pdf", ".png", ".md", ".tex", ".csv"), ("", "figures.")),
    ("data", (".csv",), ("",)),
    ("data", (".md", ".svg"), ("data.",)),
)
# Exhibits whose files are in subfolders: a csv of that name at the root is the user's.
_NOT_AT_ROOT = re.compile(r"figure[1-8]|table1|leaks")
WRITTEN_TO = ("plans", "tables", "figures", "scores", *_LEVELS)
_LEFTOVERS = ".*.partial"
_STATES = ".states"  # suffix of a training's saved states; see training/saved_states.py


@dataclass(frozen=True)
class ResultsTree:
    """folders: kind and artefact folder, finished or not. files: kind and file with a manifest beside it,
    either of which may be missing. leftovers: temporary files and folders of atomic writing, and saved states
    whose training is complete or whose run is gone."""

    folders: list[tuple[str, Path]]
    files: list[tuple[str, Path]]
    leftovers: list[Path]


def results_tree(results: Path) -> ResultsTree:
    """Search a results folder, which must exist."""
    folders = [
        (kind, folder)
        for kind, levels in _LEVELS.items()
        for folder in sorted((results / kind).glob("/".join("*" * levels)))
        if folder.is_dir() and not folder.name.startswith(".") and is_artefact(folder)
    ]
    return ResultsTree(folders, [*_sealed(results), *_exhibits(results)], sorted(_leftovers(results)))


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    return sum(file.stat().st_size for file in (path, *path.rglob("*")) if file.is_file())


def _sealed(results: Path) -> Iterator[tuple[str, Path]]:
    for kind, place, suffix in _SEALED:
        for folder in sorted(results.glob(place)):
            for file in _files(folder):
                if file.suffix == suffix:
                    yield kind, file


def _exhibits(results: Path) -> Iterator[tuple[str, Path]]:
    plans = {path.stem.rpartition("-")[0] for path in (results / "plans").glob("*.json")}
    for place, suffixes, prefixes in _EXHIBITS:
        for file in _files(results / place):
            at_root = place == "." and _NOT_AT_ROOT.fullmatch(file.stem)
            # A comparison has two csv files: `<study>_seeds.csv` has the plan of the other.
            names = (file.stem, re.sub("_seeds$", "_comparison", file.stem))
            planned = any(prefix + name in plans for prefix in prefixes for name in names) and not at_root
            if file.suffix in suffixes and (planned or manifest_beside(file).exists()):
                yield "exhibits", file


def _files(folder: Path) -> list[Path]:
    """The visible files in a folder, and missing ones whose manifests exist, in order."""
    found = {path for path in folder.glob("*") if path.is_file() and not path.name.startswith(".")}
    for seal in folder.glob(f".*.{MANIFEST}"):
        found.add(seal.with_name(seal.name.removeprefix(".").removesuffix(f".{MANIFEST}")))
    return sorted(found)


def _leftovers(results: Path) -> Iterator[Path]:
    yield from results.glob(_LEFTOVERS)
    for place in (*WRITTEN_TO, "inspect"):
        # os.walk, since a running job may delete files during the listing.
        for above, folders, files in os.walk(results / place):
            here = Path(above)
            partial = {name for name in (*folders, *files) if fnmatch(name, _LEFTOVERS)}
            yield from (here / name for name in sorted(partial))
            for name in folders:
                if name.endswith(_STATES) and not _is_training(here / name):
                    yield here / name
            folders[:] = [name for name in folders if name not in partial and not name.endswith(_STATES)]


def _is_training(states: Path) -> bool:
    """Whether saved states belong to an incomplete run; then they are not leftovers."""
    folder = states.with_name(states.name.removeprefix(".").removesuffix(_STATES))
    return folder.exists() and not (folder / MANIFEST).exists()
