"""Downloads sources and backbones: pinned, only the files that are asked for, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from othink_mr1.data.progress import Progress
from othink_mr1.errors import UserError
from othink_mr1.study.artefacts import finish_folder, start_folder, written_aside
from othink_mr1.study.sources import HubBackbone, HubSource, UrlSource

# Weights as safetensors and the texts beside them; never pickles or code.
BACKBONE_FILES = ("*.safetensors", "*.json", "*.txt", "*.jinja")
TIMEOUT_SECONDS = 60.0
CHUNK = 2**20
_COMMIT = re.compile(r"[0-9a-f]{40}")


def download_source(source: HubSource | UrlSource, folder: Path) -> None:
    """Download a source into `folder` and finish it with a manifest. UserError if that fails."""
    started = time.perf_counter()
    start_folder(folder)
    facts: dict[str, Any] = {"source": source.model_dump(mode="json")}
    if isinstance(source, UrlSource):
        _download_url(source, folder)
    else:
        facts["revision"] = _download_snapshot(
            "dataset", source.repository, source.revision, source.files, folder
        )
    finish_folder(folder, **facts, wall_seconds=round(time.perf_counter() - started, 3))


def download_backbone(backbone: HubBackbone, folder: Path) -> None:
    """Download a checkpoint's safetensors, config and tokenizer files. UserError if that fails."""
    started = time.perf_counter()
    start_folder(folder)
    revision = _download_snapshot("model", backbone.repository, backbone.revision, BACKBONE_FILES, folder)
    finish_folder(
        folder,
        backbone=backbone.model_dump(mode="json"),
        revision=revision,
        wall_seconds=round(time.perf_counter() - started, 3),
    )


def _download_url(source: UrlSource, folder: Path) -> None:
    name = PurePosixPath(unquote(urlsplit(source.url).path)).name or "download"
    digest = hashlib.sha256()
    with written_aside(folder / name) as aside:
        with _web_errors(source.url), urllib.request.urlopen(source.url, timeout=TIMEOUT_SECONDS) as answer:
            length = answer.headers.get("Content-Length")
            progress = Progress(f"download {name}, MiB", -(-int(length) // CHUNK) if length else None)
            with open(aside, "wb") as stream:
                for chunk in progress.over(iter(lambda: answer.read(CHUNK), b"")):
                    digest.update(chunk)
                    stream.write(chunk)
        if digest.hexdigest() != source.sha256:
            raise UserError(
                f"{source.url}: sha256 is {digest.hexdigest()}, the config says {source.sha256}; "
                "the file changed or the download was cut short"
            )


@contextmanager
def _web_errors(url: str) -> Iterator[None]:
    try:
        yield
    except urllib.error.HTTPError as error:
        raise UserError(f"{url}: the server answers {error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise UserError(f"{url}: not reachable ({error.reason}); is this machine online?") from None
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise UserError(f"{url}: the connection broke ({error!r}); try again") from None


def _download_snapshot(
    kind: Literal["dataset", "model"], repository: str, revision: str, patterns: Sequence[str], folder: Path
) -> str:
    """Download the matching files of a hub repository; returns the commit that they are of."""
    # Imported here: rendering and preparing do without the hub client, which takes a second to import.
    import httpx2  # the client's own HTTP library, whose errors it passes on
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    what = f"{repository} at {revision}"
    try:
        # A branch is resolved once, so that all files and the manifest are of one commit.
        commit = revision
        if not _COMMIT.fullmatch(revision):
            commit = (
                huggingface_hub.HfApi().repo_info(repository, repo_type=kind, revision=revision).sha or ""
            )
        huggingface_hub.snapshot_download(
            repository, repo_type=kind, revision=commit, allow_patterns=list(patterns), local_dir=folder
        )
    except (httpx2.HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{what}: the hub does not deliver it ({reason})") from None
    # The client's notes on what it downloaded; the manifest replaces them.
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    if not any(path.is_file() for path in folder.rglob("*")):
        raise UserError(f"{what}: has no file that matches {', '.join(patterns)}")
    return commit
