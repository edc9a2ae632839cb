"""Brings one file from the web, pinned by its sha256."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import httpx2
from huggingface_hub import is_offline_mode

from othink_mr1.artefacts.atomic_files import sha256_of, written_aside
from othink_mr1.config.sources import UrlSource
from othink_mr1.data.download.client import OFFLINE_REMEDY, Interrupted, Patience, use_download_client
from othink_mr1.data.download.secrets import say, without_secrets
from othink_mr1.data.download.selection import is_safe, remove_others, require_space
from othink_mr1.errors import UserError

# Prompt files have some hundred kilobytes; how many is not known beforehand.
SMALL_BYTES, LARGEST_BYTES = 4 * 2**20, 64 * 2**20


def bring_url(source: UrlSource, folder: Path, patience: Patience) -> dict[str, str]:
    """Complete `folder` with the file, named as in the address; returns its sha256 by name."""
    url = without_secrets(source.url)
    name = PurePosixPath(unquote(source.path)).name
    if not is_safe(name) or name.startswith("."):
        raise UserError(f"{url}: its last part is no file name that can be used; correct `path`")
    target = folder / name
    remove_others(folder, [name])
    if target.is_file() and sha256_of(target) == source.sha256:
        return {name: source.sha256}
    if is_offline_mode():
        raise UserError(f"{url}: HF_HUB_OFFLINE is set, and {target} is missing or damaged; {OFFLINE_REMEDY}")
    require_space(folder, SMALL_BYTES, url, margin=0)
    client = use_download_client(url, patience)

    def attempt() -> bytes:
        content = bytearray()
        try:
            with client.stream("GET", source.url) as answer:
                for chunk in answer.iter_bytes():
                    content += chunk
                    if len(content) > LARGEST_BYTES:
                        raise UserError(f"{url}: is longer than {LARGEST_BYTES} bytes; check its address")
        except httpx2.HTTPError as error:
            raise Interrupted(str(error)) from None
        if (found := hashlib.sha256(content).hexdigest()) != source.sha256:
            raise Interrupted(f"wrong content, its sha256 is {found}, not {source.sha256} as in config.yaml")
        return bytes(content)

    content = patience.retry(url, attempt)
    with written_aside(target) as aside:
        aside.write_bytes(content)
    say(f"download {url}: complete and verified")
    return {name: source.sha256}
