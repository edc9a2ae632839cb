"""Asks the hub what a repository holds at a commit: through its own library, with our client beneath."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from huggingface_hub import HfApi, RepoFile
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from pydantic import ValidationError

from othink_mr1.data.download.client import TIMEOUT, interruptions
from othink_mr1.data.download.listing import Listing, RemoteFile, Wanted
from othink_mr1.data.download.retries import Patience, Refused
from othink_mr1.data.download.selection import select_paths
from othink_mr1.errors import UserError
from othink_mr1.plan.download_lock import COMMIT

# Our sets have some dozens of files, image folders some thousands.
MOST_ENTRIES = 500_000
LONGEST_LICENCE = 200


def ask_commit(wanted: Wanted, patience: Patience) -> tuple[str, str | None]:
    """The commit that the revision stands for, and the licence as far as it is stated."""

    def ask() -> Any:
        with _refusals():
            return HfApi().repo_info(
                wanted.repository,
                repo_type=wanted.repository_type,
                revision=wanted.revision,
                timeout=TIMEOUT.read,
            )

    info = patience.retry(str(wanted), ask)
    if not isinstance(info.sha, str) or not COMMIT.fullmatch(info.sha):
        raise UserError(f"{wanted}: the hub names no commit; is HF_ENDPOINT the address of a hub?")
    if COMMIT.fullmatch(wanted.revision) and info.sha != wanted.revision:
        raise UserError(
            f"{wanted}: wrong commit, the hub answers with {info.sha}; check `revision` and HF_ENDPOINT"
        )
    return info.sha, _licence(info)


def ask_listing(wanted: Wanted, commit: str, licence: str | None, patience: Patience) -> Listing:
    """The wanted files of the commit, with sizes and digests. UserError if the repository has none."""

    def ask() -> list[RepoFile]:
        with _refusals():
            entries = HfApi().list_repo_tree(
                wanted.repository, repo_type=wanted.repository_type, revision=commit, recursive=True
            )
            found = list(islice(entries, MOST_ENTRIES + 1))
        if len(found) > MOST_ENTRIES:
            raise Refused(
                f"lists more than {MOST_ENTRIES:,} files and folders; it is none of the sets meant here"
            )
        return [entry for entry in found if isinstance(entry, RepoFile)]

    entries = {entry.path: entry for entry in patience.retry(str(wanted), ask)}
    paths = select_paths(wanted, list(entries))
    try:
        files = [_remote_file(entries[path]) for path in paths]
    except ValidationError as error:
        raise UserError(f"{wanted}: the hub lists a file without size or digest ({error})") from None
    return Listing(wanted=wanted, commit=commit, licence=licence, files=tuple(files))


def _remote_file(entry: RepoFile) -> RemoteFile:
    if entry.lfs:
        return RemoteFile(path=entry.path, size=entry.lfs.size, sha256=entry.lfs.sha256, git_sha1=None)
    return RemoteFile(path=entry.path, size=entry.size, sha256=None, git_sha1=entry.blob_id)


def refusal(error: HfHubHTTPError) -> str:
    """Why the hub refuses, and what to do."""
    status = error.response.status_code
    code = error.response.headers.get("X-Error-Code", "")
    answer = f"the hub answers {status} {error.response.reason_phrase}"
    if code == "GatedRepo" or status == 403:
        return f"{answer}: accept the conditions on the repository's page, and set HF_TOKEN to your token"
    if status == 401:
        return (
            f"{answer}: no such repository, or a private one: check its name, or set HF_TOKEN to your token"
        )
    if code == "RevisionNotFound":
        return f"{answer}: it has no such revision; check `revision`"
    if code == "EntryNotFound":
        return f"{answer}: the file is missing, though listed; try another mirror (HF_ENDPOINT) or revision"
    if status == 404:
        return f"{answer}: no such repository or file; check `repository`, `repository_type` and HF_ENDPOINT"
    return f"{answer}; check HF_ENDPOINT, or try again later"


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        with interruptions():
            yield
    except HfHubHTTPError as error:
        raise Refused(refusal(error)) from None
    except HFValidationError as error:
        raise Refused(f"the hub takes no such name ({error}); check `repository`") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The library takes the answer's JSON apart without looking.
        what = f"{type(error).__name__}: {error}"
        raise Refused(f"the answer is not a hub's ({what}); check HF_ENDPOINT") from None


def _licence(info: Any) -> str | None:
    """As the card or the tags state it; several are joined."""
    stated = getattr(info.card_data, "license", None)
    if not stated:
        tags = [tag for tag in info.tags or [] if isinstance(tag, str)]
        stated = [tag.removeprefix("license:") for tag in tags if tag.startswith("license:")]
    names = stated if isinstance(stated, list) else [stated]
    text = ", ".join(str(name) for name in names if name)
    return "".join(letter for letter in text if letter.isprintable())[:LONGEST_LICENCE] or None
