"""Downloads a source or a backbone into an artefact folder: whole and as pinned, or not at all."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.artefact import filling
from othink_mr1.config.sources import HubBackbone, HubSource, TableSource, UrlSource
from othink_mr1.data.download.client import Patience
from othink_mr1.data.download.repository import NOTES, bring_repository
from othink_mr1.data.download.secrets import errors_without_secrets
from othink_mr1.data.download.selection import BACKBONE_FILES, BACKBONE_NEEDS, Wanted, names_one_file
from othink_mr1.data.download.url_file import bring_url


def download(
    source: HubSource | UrlSource | HubBackbone, folder: Path, lock: Path, patience: Patience
) -> None:
    """Download into `folder` and finish it with a manifest. UserError if that fails.

    What an interrupted attempt left in `folder` is verified and kept; a folder that is complete is left as it
    is. lock: the lock file of branches. The manifest does not name the server, which may be somebody's own
    mirror.
    """
    started = time.perf_counter()
    facts: dict[str, Any] = {}
    kind = "backbone" if isinstance(source, HubBackbone) else "source"
    # Without what is read of the files, which are the same.
    identity = {kind: source.model_dump(mode="json", exclude={"base_url", *TableSource.model_fields})}
    with errors_without_secrets(), filling(folder, identity, keep=True) as artefact:
        if artefact.complete:
            return
        if isinstance(source, UrlSource):
            digests = bring_url(source, folder, patience)
        else:
            digests, facts = bring_repository(_wanted(source), folder, lock, patience)
        # Before the notes go: another process that took the folder over may be using them.
        artefact.check_lock()
        shutil.rmtree(folder / NOTES, ignore_errors=True)
        artefact.finish(digests, **facts, wall_seconds=round(time.perf_counter() - started, 3))


def _wanted(source: HubSource | HubBackbone) -> Wanted:
    if isinstance(source, HubBackbone):
        return Wanted(source.repository, "model", source.revision, BACKBONE_FILES, BACKBONE_NEEDS)
    files = tuple(source.files)
    needed = tuple(filter(names_one_file, files))
    return Wanted(source.repository, source.repository_type, source.revision, files, needed)
