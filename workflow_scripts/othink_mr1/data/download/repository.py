"""Brings the wanted files of a hub repository into a folder: from there, from the cache, from the hub."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
from huggingface_hub import hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined]

from othink_mr1.data.download.client import offline, use_download_client
from othink_mr1.data.download.digests import verified
from othink_mr1.data.download.disk_space import require_space
from othink_mr1.data.download.hub import ask_commit, ask_listing, refusal
from othink_mr1.data.download.hub_cache import cached_listing, copy_cached
from othink_mr1.data.download.listing import NOTES, Listing, RemoteFile, Wanted, keep_listing, kept_listing
from othink_mr1.data.download.retries import Patience, Refused
from othink_mr1.data.download.secrets import say
from othink_mr1.data.download.selection import some_names
from othink_mr1.data.download.transfer import OFFLINE_REMEDY, Order, transfer
from othink_mr1.data.progress import ByteProgress
from othink_mr1.errors import UserError
from othink_mr1.plan.download_lock import COMMIT, agree, lock_key, locked_commit


def bring_repository(
    wanted: Wanted, folder: Path, lock: Path, patience: Patience
) -> tuple[dict[str, str], dict[str, Any]]:
    """Complete `folder`; returns the files' sha256 and the manifest's facts. UserError if that fails.

    lock: the lock file, see plan/download_lock.py.
    """
    client = use_download_client()
    listing = _listing(wanted, folder, lock, patience)
    _remove_others(folder, listing)
    digests, absent = {}, []
    for file in listing.files:
        if sha256 := verified(folder / file.path, file.expected):
            digests[file.path] = sha256
        else:
            (folder / file.path).unlink(missing_ok=True)
            absent.append(file)
    if absent:
        # Before anything is copied or fetched.
        require_space(folder, _still_missing(folder, absent), str(wanted))
    missing = []
    for file in absent:
        if sha256 := copy_cached(listing, file, folder / file.path, _part(folder, file)):
            digests[file.path] = sha256
        else:
            missing.append(file)
    if missing and offline():
        names = some_names([file.path for file in missing])
        raise UserError(
            f"{wanted}: HF_HUB_OFFLINE is set, and {len(missing)} of {len(listing.files)} files are missing "
            f"({names}); {OFFLINE_REMEDY}"
        )
    if missing:
        digests |= _fetch(client, listing, missing, folder, patience)
    facts = {"revision": listing.commit, "licence": listing.licence, "repository": wanted.repository}
    return digests, facts


def _listing(wanted: Wanted, folder: Path, lock: Path, patience: Patience) -> Listing:
    """Of the commit that is written in the config, or locked, or that the branch stands for now."""
    key = lock_key(wanted.repository_type, wanted.repository, wanted.revision)
    pinned = COMMIT.fullmatch(wanted.revision) is not None
    expected = wanted.revision if pinned else locked_commit(lock, key)
    listing = kept_listing(folder, wanted)
    if listing is None or expected not in (None, listing.commit):
        if offline():
            listing = cached_listing(wanted, expected or wanted.revision)
            if listing is None:
                raise UserError(
                    f"{wanted}: HF_HUB_OFFLINE is set, and neither {folder} nor the hub's cache here is "
                    f"known to have all of {', '.join(wanted.patterns)}; {OFFLINE_REMEDY}"
                )
            if not pinned:
                agree(lock, key, listing.commit)
        else:
            commit, licence = ask_commit(wanted, patience)
            # Before the listing: a moved branch is no reason to ask for more.
            if not pinned:
                agree(lock, key, commit)
            listing = ask_listing(wanted, commit, licence, patience)
        keep_listing(folder, listing)
    elif not pinned:
        agree(lock, key, listing.commit)
    return listing


def _fetch(
    client: httpx2.Client, listing: Listing, missing: list[RemoteFile], folder: Path, patience: Patience
) -> Mapping[str, str]:
    wanted = listing.wanted
    parts = {file.path: _part(folder, file) for file in missing}
    have = {name: _size(part) for name, part in parts.items()}
    still = _still_missing(folder, missing)
    progress = ByteProgress(still)
    say(
        f"download {wanted}: commit {listing.commit}, {len(missing)} of {len(listing.files)} files to fetch, "
        f"{still / 1e6:,.1f} MB"
    )

    def check(answer: httpx2.Response) -> None:
        try:
            hf_raise_for_status(answer)
        except HfHubHTTPError as error:
            raise Refused(refusal(error)) from None
        for each in (*answer.history, answer):
            commit = each.headers.get("X-Repo-Commit", listing.commit)
            if commit != listing.commit:
                raise Refused(
                    f"wrong commit, the hub sends the file of {commit} instead of {listing.commit}; "
                    "start it again, or use another mirror (HF_ENDPOINT)"
                )

    digests = {}
    for number, file in enumerate(missing, start=1):
        what = f"{wanted}: {file.path}"
        progress.start(f"{number} of {len(missing)}, {file.path}", file.size, have[file.path])
        order = Order(
            what,
            hf_hub_url(
                wanted.repository, file.path, repo_type=wanted.repository_type, revision=listing.commit
            ),
            build_hf_headers(),
            file.expected,
            file.size,
            check,
            progress.reached,
        )
        digests[file.path] = transfer(client, order, folder / file.path, parts[file.path], patience)
        progress.end()
    return digests


def _part(folder: Path, file: RemoteFile) -> Path:
    """Named by content, so that a part of another version is never continued."""
    return folder / NOTES / f"{file.sha256 or file.git_sha1}.part"


def _still_missing(folder: Path, files: list[RemoteFile]) -> int:
    """Bytes, without the parts that are there."""
    return sum(max(0, file.size - _size(_part(folder, file))) for file in files)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _remove_others(folder: Path, listing: Listing) -> None:
    """Files of an interrupted download of another commit or of other patterns are none of this one's."""
    wanted = {file.path for file in listing.files}
    for path in folder.rglob("*"):
        name = path.relative_to(folder)
        if name.parts[0] != NOTES and (path.is_symlink() or path.is_file()) and name.as_posix() not in wanted:
            path.unlink()
