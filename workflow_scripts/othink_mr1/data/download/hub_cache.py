"""The user's own cache of the hub: what another program fetched already is copied, not fetched again."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path, PurePath

from huggingface_hub import get_cached_repo_tree, try_to_load_from_cache
from huggingface_hub.errors import CachedRepoTreeNotFoundError, HFValidationError

from othink_mr1.data.download.digests import verified
from othink_mr1.data.download.listing import Listing, RemoteFile, Wanted
from othink_mr1.data.download.selection import select_paths
from othink_mr1.data.download.transfer import writing
from othink_mr1.plan.download_lock import COMMIT

_SHA256 = re.compile(r"[0-9a-f]{64}")


def copy_cached(listing: Listing, file: RemoteFile, target: Path, part: Path) -> str | None:
    """Copy a file out of the cache if it is there and as listed; returns its sha256, None if not."""
    cached = _cached(listing.wanted, listing.commit, file.path)
    if cached is None or cached.stat().st_size != file.size:
        return None
    with writing(str(target)):
        part.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cached, part)
        sha256 = verified(part, file.expected)
        if sha256 is None:
            part.unlink()
        else:
            os.replace(part, target)
    return sha256


def cached_listing(wanted: Wanted, revision: str) -> Listing | None:
    """What the cache knows of the repository, for offline use; None if it does not know all of it.

    revision: a commit, or a branch as the cache last saw it. The cache's listing has names and sizes; the
    digests are the names of the cached contents (the hub's ETags).
    """
    try:
        entries = get_cached_repo_tree(wanted.repository, repo_type=wanted.repository_type, revision=revision)
    except (CachedRepoTreeNotFoundError, HFValidationError):
        return None
    sizes = {entry.path: entry.size for entry in entries}
    files, commit = [], None
    for path in select_paths(wanted, list(sizes)):
        cached = _cached(wanted, revision, path)
        if cached is None:
            return None
        commit = next((part for part in cached.parts if COMMIT.fullmatch(part)), None)
        # One link further: the file may in turn be a link into a store that names by another hash (Xet's).
        name = PurePath(os.readlink(cached)).name if cached.is_symlink() else ""
        sha256 = name if _SHA256.fullmatch(name) else None
        git_sha1 = name if COMMIT.fullmatch(name) else None
        if sha256 is None and git_sha1 is None:
            return None  # a cache without links does not tell its files' digests
        files.append(RemoteFile(path=path, size=sizes[path], sha256=sha256, git_sha1=git_sha1))
    if commit is None:
        return None
    return Listing(wanted=wanted, commit=commit, licence=None, files=tuple(files))


def _cached(wanted: Wanted, revision: str, path: str) -> Path | None:
    found = try_to_load_from_cache(
        wanted.repository, path, revision=revision, repo_type=wanted.repository_type
    )
    return Path(found) if isinstance(found, str) else None
