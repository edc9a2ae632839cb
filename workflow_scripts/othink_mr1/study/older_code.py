"""Whether artefacts were made by older code than there is now, as their manifests tell, unverified."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from othink_mr1.study.code_of_stages import older_modules
from othink_mr1.study.manifests import MANIFEST, MANIFEST_COPY
from othink_mr1.study.module_digests import Modules


class OlderCode:
    """Which modules were others when an artefact was made, looked up once for each folder of a root."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._modules = Modules(results=results)
        self._found: dict[str, tuple[str, ...]] = {}

    def of(self, folders: Iterable[str]) -> list[str]:
        """The modules of all the folders, each once, in order.

        Nothing of a folder that is not there: what was deleted to save space tells nothing any more.
        """
        return sorted({module for folder in folders for module in self._of(folder)})

    def _of(self, folder: str) -> tuple[str, ...]:
        if folder not in self._found:
            manifest = _manifest(self._results / folder)
            self._found[folder] = () if manifest is None else older_modules(manifest, self._modules)
        return self._found[folder]


def _manifest(folder: Path) -> dict[str, Any] | None:
    """A finished folder's manifest, unverified; empty if it is damaged, None if there is none."""
    path = next((path for path in (folder / MANIFEST, folder / MANIFEST_COPY) if path.exists()), None)
    if path is None:
        return None
    try:
        manifest = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}
