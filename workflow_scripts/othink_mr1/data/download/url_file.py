"""Brings one file from the web, pinned by its sha256."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import httpx2

from othink_mr1.config.sources import UrlSource
from othink_mr1.data.download.client import offline, use_download_client
from othink_mr1.data.download.digests import Expected, verified
from othink_mr1.data.download.disk_space import require_some_space
from othink_mr1.data.download.listing import NOTES, is_safe
from othink_mr1.data.download.retries import Patience, Refused
from othink_mr1.data.download.secrets import without_secrets
from othink_mr1.data.download.transfer import OFFLINE_REMEDY, Order, transfer
from othink_mr1.data.progress import ByteProgress
from othink_mr1.errors import UserError

# Prompt files have some hundred kilobytes.
LARGEST_BYTES = 64 * 2**20


def bring_url(source: UrlSource, folder: Path, patience: Patience) -> dict[str, str]:
    """Complete `folder` with the file, named as in the address; returns its sha256 by name."""
    client = use_download_client()
    name = PurePosixPath(unquote(source.path)).name
    url = without_secrets(source.url)
    if not is_safe(name) or name.startswith("."):
        raise UserError(f"{url}: its last part is no file name that can be used; correct `path`")
    expected = Expected(sha256=source.sha256)
    target = folder / name
    for path in folder.iterdir():
        if path.is_file() and path != target:
            path.unlink()
    if sha256 := verified(target, expected):
        return {name: sha256}
    target.unlink(missing_ok=True)
    if offline():
        raise UserError(f"{url}: HF_HUB_OFFLINE is set, and {target} is missing or damaged; {OFFLINE_REMEDY}")
    require_some_space(folder, url)
    part = folder / NOTES / f"{source.sha256}.part"
    progress = ByteProgress(None)
    progress.start(name, None, part.stat().st_size if part.exists() else 0)

    def check(answer: httpx2.Response) -> None:
        if not answer.is_success:
            status = f"{answer.status_code} {answer.reason_phrase}"
            raise Refused(f"the server answers {status}; check base_url and path")

    order = Order(url, source.url, {}, expected, LARGEST_BYTES, check, progress.reached)
    sha256 = transfer(client, order, target, part, patience)
    progress.end()
    return {name: sha256}
