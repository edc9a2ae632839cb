"""Downloads a source or a backbone into an artefact folder: whole and as pinned, or not at all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.artefact import Artefact, filling
from othink_mr1.config.sources import HubBackbone, HubSource, UrlSource
from othink_mr1.data.download.listing import NOTES, Wanted
from othink_mr1.data.download.repository import bring_repository
from othink_mr1.data.download.retries import Patience
from othink_mr1.data.download.secrets import errors_without_secrets
from othink_mr1.data.download.selection import BACKBONE_FILES, BACKBONE_NEEDS, names_one_file
from othink_mr1.data.download.transfer import writing
from othink_mr1.data.download.url_file import bring_url

PATIENCE = Patience()


def download_dataset(
    source: HubSource | UrlSource, folder: Path, lock: Path, patience: Patience = PATIENCE
) -> None:
    """Download a source into `folder` and finish it with a manifest. UserError if that fails.

    What an interrupted attempt left in `folder` is verified and kept; a folder that is complete is left as it
    is. lock: the lock file of branches. The manifest does not name the server, which may be somebody's own
    mirror.
    """
    started = time.perf_counter()
    identity = {"source": source.model_dump(mode="json", exclude={"base_url"})}
    with _filling(folder, identity) as artefact:
        if artefact.complete:
            return
        if isinstance(source, UrlSource):
            facts: dict[str, Any] = {}
            digests = bring_url(source, folder, patience)
        else:
            wanted = Wanted(
                repository=source.repository,
                repository_type=source.repository_type,
                revision=source.revision,
                patterns=tuple(source.files),
                needed=tuple(filter(names_one_file, source.files)),
            )
            digests, facts = bring_repository(wanted, folder, lock, patience)
        _finish(artefact, digests, facts, started)


def download_backbone(backbone: HubBackbone, folder: Path, lock: Path, patience: Patience = PATIENCE) -> None:
    """Download a checkpoint's safetensors, config and tokenizer files; otherwise like download_dataset."""
    started = time.perf_counter()
    with _filling(folder, {"backbone": backbone.model_dump(mode="json")}) as artefact:
        if artefact.complete:
            return
        wanted = Wanted(
            repository=backbone.repository,
            repository_type="model",
            revision=backbone.revision,
            patterns=BACKBONE_FILES,
            needed=BACKBONE_NEEDS,
        )
        digests, facts = bring_repository(wanted, folder, lock, patience)
        _finish(artefact, digests, facts, started)


@contextmanager
def _filling(folder: Path, identity: Mapping[str, Any]) -> Iterator[Artefact]:
    with errors_without_secrets(), writing(str(folder)), filling(folder, identity, keep=True) as artefact:
        yield artefact


def _finish(artefact: Artefact, digests: Mapping[str, str], facts: Mapping[str, Any], started: float) -> None:
    # Before the notes go: another process that took the folder over goes on by them.
    artefact.check_lock()
    shutil.rmtree(artefact.folder / NOTES, ignore_errors=True)
    artefact.finish(digests, **facts, wall_seconds=round(time.perf_counter() - started, 3))
