"""The user's own cache of the hub, for offline use: what another program fetched.

With a network the hub's library looks there by itself.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from huggingface_hub import get_cached_repo_tree, try_to_load_from_cache
from huggingface_hub.errors import CachedRepoTreeNotFoundError, HFValidationError

from othink_mr1.artefacts.atomic_files import sha256_of
from othink_mr1.data.download.selection import Wanted, select_paths

_SHA256 = re.compile(r"[0-9a-f]{64}")


def cached_files(wanted: Wanted, revision: str) -> dict[str, Path] | None:
    """Where the cache has the wanted files, by path; None if it is not known to have all.

    revision: a commit, or a branch as the cache last saw it.
    """
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


def is_as_cached(copy: Path, cached: Path) -> bool:
    """Whether a copy has the digest that the cache knows the file by: its content's name (the hub's ETag)."""
    # One link further: the content may in turn be a link into a store that names by another hash (Xet's).
    digest = Path(os.readlink(cached)).name
    if _SHA256.fullmatch(digest):
        return sha256_of(copy) == digest
    content = copy.read_bytes()  # a small file, known by git's name of a blob
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == digest
