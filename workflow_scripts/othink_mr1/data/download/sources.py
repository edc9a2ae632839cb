"""Downloads a source or a backbone into an artefact folder: whole and as pinned, or not at all."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from othink_mr1.data.download.listing import NOTES, Wanted
from othink_mr1.data.download.repository import bring_repository
from othink_mr1.data.download.retries import Patience
from othink_mr1.data.download.secrets import errors_without_secrets
from othink_mr1.data.download.selection import BACKBONE_FILES, BACKBONE_NEEDS, names_one_file
from othink_mr1.data.download.transfer import writing
from othink_mr1.data.download.url_file import bring_url
from othink_mr1.study.artefacts import continue_folder, finish_folder
from othink_mr1.study.sources import HubBackbone, HubSource, UrlSource

PATIENCE = Patience()


def download_dataset(
    source: HubSource | UrlSource, folder: Path, lock: Path, patience: Patience = PATIENCE
) -> None:
    """Download a source into `folder` and finish it with a manifest. UserError if that fails.

    What an interrupted attempt left in `folder` is verified and kept. lock: the lock file of branches. The
    manifest does not name the server, which may be somebody's own mirror.
    """
    started = time.perf_counter()
    facts: dict[str, Any] = {"source": source.model_dump(mode="json", exclude={"base_url"})}
    with errors_without_secrets(), writing(str(folder)):
        continue_folder(folder)
        if isinstance(source, UrlSource):
            digests = bring_url(source, folder, patience)
        else:
            wanted = Wanted(
                repository=source.repository,
                repository_type=source.repository_type,
                revision=source.revision,
                patterns=tuple(source.files),
                needed=tuple(filter(names_one_file, source.files)),
            )
            digests, found = bring_repository(wanted, folder, lock, patience)
            facts |= found
        _finish(folder, digests, facts, started)


def download_backbone(backbone: HubBackbone, folder: Path, lock: Path, patience: Patience = PATIENCE) -> None:
    """Download a checkpoint's safetensors, config and tokenizer files; otherwise like download_dataset."""
    started = time.perf_counter()
    with errors_without_secrets(), writing(str(folder)):
        continue_folder(folder)
        wanted = Wanted(
            repository=backbone.repository,
            repository_type="model",
            revision=backbone.revision,
            patterns=BACKBONE_FILES,
            needed=BACKBONE_NEEDS,
        )
        digests, facts = bring_repository(wanted, folder, lock, patience)
        _finish(folder, digests, {"backbone": backbone.model_dump(mode="json"), **facts}, started)


def _finish(folder: Path, digests: Mapping[str, str], facts: Mapping[str, Any], started: float) -> None:
    shutil.rmtree(folder / NOTES, ignore_errors=True)
    finish_folder(folder, digests, **facts, wall_seconds=round(time.perf_counter() - started, 3))
