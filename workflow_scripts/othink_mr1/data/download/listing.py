"""What a repository holds at a commit, as far as it is asked for: kept in the folder until it is complete."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, ValidationError, field_validator, model_validator

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.manifests import MANIFEST
from othink_mr1.config.strict import Strict
from othink_mr1.data.download.digests import Expected
from othink_mr1.errors import UserError

# In an unfinished folder: the listing and the parts of files. Removed before the manifest is written.
NOTES = ".download"


class RemoteFile(Strict):
    """One file. Large ones (LFS) have the sha256 of their content, others git's sha1 of it."""

    path: str
    size: NonNegativeInt
    # Part of a file's name below, and from outside.
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None
    git_sha1: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None

    @property
    def expected(self) -> Expected:
        return Expected(self.size, self.sha256, self.git_sha1)

    @field_validator("path")
    @classmethod
    def _safe(cls, path: str) -> str:
        if not is_safe(path):
            raise ValueError("leads out of the folder")
        return path

    @model_validator(mode="after")
    def _can_be_verified(self) -> RemoteFile:
        if self.sha256 is None and self.git_sha1 is None:
            raise ValueError("has no digest")
        return self


class Wanted(Strict):
    """Which files of which repository, as the config has it."""

    repository: str
    repository_type: Literal["dataset", "model"]
    revision: str
    patterns: tuple[str, ...]
    needed: tuple[str, ...]  # of the patterns, those that must match something

    def __str__(self) -> str:
        return f"{self.repository} at {self.revision}"


class Listing(Strict):
    """The wanted files of the commit that the revision stands for."""

    wanted: Wanted
    commit: str
    licence: str | None
    files: tuple[RemoteFile, ...]


def is_safe(path: str) -> bool:
    """Whether a name from outside stays below the folder, under its own name, on every system."""
    parts = path.split("/")
    return (
        path.isprintable()
        and "\\" not in path
        and not PurePosixPath(path).is_absolute()
        and not PureWindowsPath(path).drive
        and not any(part in ("", ".", "..") for part in parts)
        and parts[0] != NOTES
        and path != MANIFEST
    )


def keep_listing(folder: Path, listing: Listing) -> None:
    """Write the listing into the folder's notes."""
    write_text(folder / NOTES / "listing.json", listing.model_dump_json(indent=1))


def kept_listing(folder: Path, wanted: Wanted) -> Listing | None:
    """The listing that an earlier attempt kept; None if there is none, or it is of other files."""
    try:
        text = (folder / NOTES / "listing.json").read_bytes()
        listing = Listing.model_validate_json(text)
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None
    except OSError as error:
        raise UserError(f"{folder / NOTES}: cannot be read ({error.strerror})") from None
    return listing if listing.wanted == wanted else None
