"""The user's own cache of the hub, for offline use: what another program fetched.

With a network the hub's library looks there by itself.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from pathlib import Path

from huggingface_hub import get_cached_repo_tree, try_to_load_from_cache
from huggingface_hub.errors import CachedRepoTreeNotFoundError, HFValidationError

from othink_mr1.artefacts.atomic_files import sha256_of
from othink_mr1.data.download.client import OFFLINE_REMEDY
from othink_mr1.data.download.selection import Wanted, remove_others, require_space, select_paths
from othink_mr1.errors import UserError

_SHA256 = re.compile(r"[0-9a-f]{64}")


def copy_cached(wanted: Wanted, revision: str, folder: Path) -> str:
    """Fill the folder from the hub's cache; returns the commit. UserError if the cache has not all.

    revision: a commit, or a branch as the cache last saw it.
    """
    files = _cached_files(wanted, revision)
    if files is None:
        raise UserError(
            f"{wanted}: HF_HUB_OFFLINE is set, and the hub's cache here is not known to have all of "
            f"{', '.join(wanted.patterns)}; {OFFLINE_REMEDY}"
        )
    remove_others(folder, files)
    require_space(folder, sum(cached.stat().st_size for cached in files.values()), str(wanted))
    for path, cached in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(cached, folder / path)
        if not _is_as_cached(folder / path, cached):
            (folder / path).unlink()
            raise UserError(f"{wanted}: {cached}: is damaged; {OFFLINE_REMEDY}")
    return cached.parts[-len(Path(path).parts) - 1]


def _cached_files(wanted: Wanted, revision: str) -> dict[str, Path] | None:
    """Where the cache has the wanted files, by path; None if it is not known to have all."""
    try:
        entries = get_cached_repo_tree(wanted.repository, repo_type=wanted.repository_type, revision=revision)
    except (CachedRepoTreeNotFoundError, HFValidationError):
        return None
    files = {}
    for path in select_paths(wanted, [entry.path for entry in entries]):
        cached = try_to_load_from_cache(
            wanted.repository, path, revision=revision, repo_type=wanted.repository_type
        )
        if not isinstance(cached, str) or not os.path.islink(cached):
            return None  # a cache without links does not tell its files' digests
        files[path] = Path(cached)
    return files


def _is_as_cached(copy: Path, cached: Path) -> bool:
    """Whether a copy has the digest that the cache knows the file by: its content's name (the hub's ETag)."""
    # One link further: the content may in turn be a link into a store that names by another hash (Xet's).
    digest = Path(os.readlink(cached)).name
    if _SHA256.fullmatch(digest):
        return sha256_of(copy) == digest
    content = copy.read_bytes()  # a small file, known by git's name of a blob
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == digest
