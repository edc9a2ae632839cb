"""Whether artefacts were made by older code than there is now, as their manifests tell, unverified."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from othink_mr1.study.code_of_stages import older_modules
from othink_mr1.study.manifests import MANIFEST, MANIFEST_COPY, manifest_beside
from othink_mr1.study.module_digests import Modules


class OlderCode:
    """Which modules were others when a result was made, looked up once for each folder or file of a root."""

    def __init__(self, results: Path) -> None:
        self._results = results
        self._modules = Modules(results=results)
        self._found: dict[str, tuple[str, ...]] = {}

    def of(self, paths: Iterable[str]) -> list[str]:
        """The modules of all the folders and files, each once, in order.

        Nothing of what is not there: what was deleted to save space tells nothing any more.
        """
        return sorted({module for path in paths for module in self._of(path)})

    def _of(self, path: str) -> tuple[str, ...]:
        if path not in self._found:
            manifest = _manifest(self._results / path)
            self._found[path] = () if manifest is None else older_modules(manifest, self._modules)
        return self._found[path]


def _manifest(path: Path) -> dict[str, Any] | None:
    """The manifest of a finished folder or a file, unverified; empty if damaged, None if there is none."""
    places = (path / MANIFEST, path / MANIFEST_COPY, manifest_beside(path))
    place = next((place for place in places if place.exists()), None)
    if place is None:
        return None
    try:
        manifest = json.loads(place.read_bytes())
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}
