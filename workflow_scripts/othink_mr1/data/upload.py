"""Giving a folder away: one commit to a model repository on the hub."""

from __future__ import annotations

import shlex
from pathlib import Path

import httpx2
from huggingface_hub import HfApi, is_offline_mode
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from othink_mr1.data.download.environment import check_network_variables
from othink_mr1.errors import UserError, first_line

_OF_THE_HUB = frozenset({".gitattributes"})  # in a repository without content


def require_pushable(repository: str) -> None:
    """UserError for what can be known before: no OWNER/NAME, or no way to the hub."""
    check_network_variables()
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise UserError(f"--push {repository}: must be OWNER/NAME ({first_line(error)})") from None
    if "/" not in repository:
        raise UserError(f"--push {repository}: must be OWNER/NAME")
    if is_offline_mode():
        raise UserError(f"--push {repository}: HF_HUB_OFFLINE is set; unset it")


def push_model(folder: Path, repository: str, message: str) -> str:
    """Commit the folder's files to the model repository OWNER/NAME; returns the commit's address.

    A repository that does not exist is made, as a private one. UserError if it has files already, if the hub
    refuses, or if it cannot be reached; then nothing was committed.
    """
    try:
        return _push(folder, repository, message)
    except HfHubHTTPError as error:
        status = error.response.status_code
        remedy = "set HF_TOKEN to a token that may write there" if status in (401, 403) else "try again later"
        fault = f"the hub answers {status}; {remedy}"
    except httpx2.TransportError as error:
        fault = f"the connection failed ({first_line(error)}); try again later"
    except RuntimeError as error:  # a large file's, around the reason
        reason = f" ({first_line(error.__cause__)})" if isinstance(error.__cause__, Exception) else ""
        fault = f"{first_line(error)}{reason}; try again later"
    again = f".venv/bin/hf upload --private {repository} {shlex.quote(str(folder))} ."
    raise UserError(f"--push {repository}: {fault}; {folder} is kept, to push it: {again}")


def _push(folder: Path, repository: str, message: str) -> str:
    hub = HfApi()
    hub.create_repo(repository, private=True, exist_ok=True)
    there = set(hub.list_repo_files(repository)) - _OF_THE_HUB
    if there:
        raise UserError(
            f"--push {repository}: has files already, such as {min(there)}; push to a new repository"
        )
    commit = hub.upload_folder(repo_id=repository, folder_path=folder, commit_message=message)
    return str(commit.commit_url)
