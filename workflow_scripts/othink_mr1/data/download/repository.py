"""Brings the wanted files of a hub repository into a folder, verified; offline from the hub's cache."""

from __future__ import annotations

import glob
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import HfApi, RepoFile, is_offline_mode, snapshot_download
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import filter_repo_objects  # type: ignore[attr-defined]

from othink_mr1.data.download.client import TIMEOUT, Patience, use_download_client
from othink_mr1.data.download.hub_cache import copy_cached
from othink_mr1.data.download.progress import ByteProgress, bar_of
from othink_mr1.data.download.secrets import say
from othink_mr1.data.download.selection import Wanted, remove_others, require_space, select_paths, some_names
from othink_mr1.errors import UserError
from othink_mr1.plan.download_lock import COMMIT, agree, lock_key, locked_commit

# The library's own, in a folder that is being filled.
NOTES = ".cache"


def bring_repository(
    wanted: Wanted, folder: Path, lock: Path, patience: Patience
) -> tuple[dict[str, str], dict[str, Any]]:
    """Complete `folder`; returns the sha256 of large files and the manifest's facts. UserError if that fails.

    lock: the lock file, see plan/download_lock.py.
    """
    key = lock_key(wanted.repository_type, wanted.repository, wanted.revision)
    pinned = COMMIT.fullmatch(wanted.revision) is not None
    expected = wanted.revision if pinned else locked_commit(lock, key)
    if is_offline_mode():
        commit, licence = copy_cached(wanted, expected or wanted.revision, folder), None
    else:
        use_download_client(str(wanted), patience)
        commit, licence = _ask_commit(wanted)
    # Before anything is fetched: a moved branch is no reason to.
    if not pinned:
        agree(lock, key, commit)
    digests = {} if is_offline_mode() else _fetch(wanted, commit, folder)
    return digests, {"revision": commit, "licence": licence, "repository": wanted.repository}


def _ask_commit(wanted: Wanted) -> tuple[str, str | None]:
    """The commit that the revision stands for, and the licence as far as it is stated."""
    with _understood(wanted):
        info: Any = HfApi().repo_info(
            wanted.repository,
            repo_type=wanted.repository_type,
            revision=wanted.revision,
            timeout=TIMEOUT.read,
        )
        licences = [tag.removeprefix("license:") for tag in info.tags or [] if tag.startswith("license:")]
    if not isinstance(info.sha, str) or not COMMIT.fullmatch(info.sha):
        raise UserError(f"{wanted}: the hub names no commit; is HF_ENDPOINT the address of a hub?")
    if COMMIT.fullmatch(wanted.revision) and info.sha != wanted.revision:
        raise UserError(
            f"{wanted}: wrong commit, the hub answers with {info.sha}; check `revision` and HF_ENDPOINT"
        )
    return info.sha, ", ".join(licences) or None


def _fetch(wanted: Wanted, commit: str, folder: Path) -> dict[str, str]:
    """Fetch what is not there as listed, and verify everything; returns the sha256 that the hub lists.

    A damaged file is fetched once more, whatever the user's cache has, and given up if it is damaged again:
    no need to fetch 12 GB six times.
    """
    started = time.monotonic()
    there: dict[str, Any] = {
        "repo_id": wanted.repository,
        "repo_type": wanted.repository_type,
        "revision": commit,
    }
    with _understood(wanted):
        entries = HfApi().list_repo_tree(**there, recursive=True)
        listed = {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}
    files = {path: listed[path] for path in select_paths(wanted, list(listed))}
    left_out = set(filter_repo_objects(listed, allow_patterns=list(wanted.patterns))) - set(files)
    remove_others(folder, files)
    missing = sum(file.size for path, file in files.items() if not _has_size(folder / path, file.size))
    require_space(folder, missing, str(wanted))
    say(f"download {wanted}: commit {commit}, {len(files)} files, {missing / 1e6:,.1f} MB are not there yet")
    bar = bar_of(ByteProgress(str(wanted), missing))
    patterns = list(wanted.patterns)
    for again in (False, True):
        trouble = _snapshot(
            wanted,
            **there,
            local_dir=folder,
            allow_patterns=patterns,
            ignore_patterns=[glob.escape(path) for path in left_out],
            force_download=again,  # also over what is there, or in the user's cache
            tqdm_class=bar,
        )
        found = HfApi().verify_repo_checksums(**there, local_dir=folder)
        wrong = {path: trouble for path in found.missing_paths if path in files}
        for each in found.mismatches:
            (folder / each["path"]).unlink()
            wrong[each["path"]] = f"its {each['algorithm']} is {each['actual']}, not {each['expected']}"
        if not wrong:
            say(f"download {wanted}: complete and verified after {time.monotonic() - started:.1f} s")
            return {path: file.lfs.sha256.lower() for path, file in files.items() if file.lfs}
        difference = f"{wanted}: {some_names(list(wrong))}: not as listed ({next(iter(wrong.values()))})"
        if not again:
            say(f"download {difference}; fetched again")
            patterns = [glob.escape(path) for path in wrong]
    raise UserError(
        f"{difference}, twice; it was changed there or on the way: check HF_ENDPOINT and proxies, "
        "or use another mirror"
    )


def _snapshot(wanted: Wanted, **options: Any) -> str:
    """Call the library's snapshot_download; returns what it says if a file does not come whole."""
    try:
        snapshot_download(**options)
    except httpx2.HTTPError as error:  # names the file, see client.py
        raise UserError(f"{wanted}: {error}; run it again later; complete files are kept") from None
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the disk's
            error.filename = error.filename or str(options["local_dir"])
            raise
        return str(error.__cause__ or error)
    return "it is missing"


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


@contextmanager
def _understood(wanted: Wanted) -> Iterator[None]:
    try:
        yield
    except HFValidationError as error:
        raise UserError(f"{wanted}: the hub takes no such name ({error}); check `repository`") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The library takes the answer's JSON apart without looking.
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"{wanted}: the answer is not a hub's ({what}); check HF_ENDPOINT") from None
