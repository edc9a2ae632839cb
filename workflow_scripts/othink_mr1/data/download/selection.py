"""Which of a repository's files are fetched: those that a pattern asks for, and never code or pickles.

And what their folder is like before: nothing else is in it, and there is room.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]

from othink_mr1.artefacts.manifests import MANIFEST
from othink_mr1.data.download.secrets import say
from othink_mr1.data.images import IMAGE_SUFFIXES
from othink_mr1.errors import UserError

# Weights as safetensors and the texts beside them.
BACKBONE_FILES = ("*.safetensors", "*.json", "*.txt", "*.jinja")
BACKBONE_NEEDS = ("config.json", "*.safetensors")
# The only kinds that are ever fetched, whatever the patterns say: none of them can run.
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz")
_TEXTS = (".json", ".jsonl", ".txt", ".md", ".csv")
_KINDS = {
    "dataset": (".parquet", *_TEXTS, *IMAGE_SUFFIXES, *_ARCHIVES),
    "model": (".safetensors", ".jinja", ".parquet", *_TEXTS, *IMAGE_SUFFIXES, *_ARCHIVES),
}
NAMED = 8
# Beside large sets: logs, manifests and the file system's own needs.
MARGIN_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Wanted:
    """Which files of which repository, as the config has it. needed: patterns that must match something."""

    repository: str
    repository_type: str
    revision: str
    patterns: tuple[str, ...]
    needed: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.repository} at {self.revision}"


def names_one_file(pattern: str) -> bool:
    """Whether a pattern is a file's name, without wildcards: then that file must be there."""
    return not any(letter in pattern for letter in "*?[") and not pattern.endswith("/")


def select_paths(wanted: Wanted, paths: Sequence[str]) -> list[str]:
    """The paths to fetch, sorted. UserError if there is none, or if a name leads out of the folder."""
    asked = sorted(filter_repo_objects(paths, allow_patterns=list(wanted.patterns)))
    harmless = [path for path in asked if path.lower().endswith(_KINDS[wanted.repository_type])]
    if refused := sorted(set(asked) - set(harmless)):
        say(f"download {wanted}: {some_names(refused)} left out, as neither data nor safetensors")
    for path in harmless:
        if not is_safe(path):
            raise UserError(
                f"{wanted}: refused, as it lists the file name {path!r}; "
                "use another `repository` for this source"
            )
    # Hidden ones are other tools' in every artefact folder: nobody reads them, no manifest lists them.
    harmless = [path for path in harmless if not any(part.startswith(".") for part in path.split("/"))]
    if not harmless:
        raise UserError(
            f"{wanted}: no file to fetch matches {', '.join(wanted.patterns)}; the repository has "
            f"{some_names(sorted(paths)) or 'no files'}; correct `files`"
        )
    for pattern in wanted.needed:
        if not any(filter_repo_objects(harmless, allow_patterns=pattern)):
            raise UserError(
                f"{wanted}: has no {pattern} (only {some_names(harmless)}); is it the right repository?"
            )
    return harmless


def remove_others(folder: Path, paths: Collection[str]) -> None:
    """Remove what an interrupted download left of another commit or other patterns, and the library's notes.

    Whether a file can stay is told by its content, not by notes. Nor can links stay: what they lead to could
    change after it was verified.
    """
    for path in folder.rglob("*"):
        if path.is_symlink() or (path.is_file() and path.relative_to(folder).as_posix() not in paths):
            path.unlink()


def require_space(folder: Path, missing_bytes: int, what: str, margin: int = MARGIN_BYTES) -> None:
    """UserError if the disk that `folder` lies on has no room for so many more bytes and a margin."""
    free = shutil.disk_usage(folder).free
    if missing_bytes + margin > free:
        raise UserError(
            f"{what}: {missing_bytes / 1e6:,.0f} MB are missing (and {margin / 1e6:,.0f} MB to spare), but "
            f"{folder} has {free / 1e6:,.0f} MB free; free disk space, or set `results` to another disk"
        )


def is_safe(path: str) -> bool:
    """Whether a name from outside stays below the folder, under its own name, on every system."""
    return (
        path.isprintable()
        and "\\" not in path
        and not PurePosixPath(path).is_absolute()
        and not PureWindowsPath(path).drive
        and not any(part in ("", ".", "..") for part in path.split("/"))
        and path != MANIFEST
    )


def some_names(paths: Sequence[str]) -> str:
    """The first few names, printable, and how many more there are."""
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return ", ".join(ascii(path)[1:-1] for path in paths[:NAMED]) + more
