"""Results of cheap stages that are made anew when their code changed: scores, fingerprints, reports of leaks.

Each has in its manifest which code made it. Only those that other code made get the file of their stage,
`plans/code.<stage>.json`, as an input that is newer than they are; the others have nothing that could rerun
them. So neither a clone, a copy, a touch nor a deleted .snakemake makes anything anew.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from othink_mr1.study.atomic_files import write_json
from othink_mr1.study.code_of_stages import Stage, older_modules, stage_code
from othink_mr1.study.manifests import MANIFEST, manifest_beside
from othink_mr1.study.module_digests import Modules


def code_file(stage: Stage) -> str:
    """The file with a stage's code, relative to the results root."""
    return f"plans/code.{'.'.join(filter(None, stage))}.json"


class CheapResults:
    """The results of cheap stages below a results root, and the code that there is now."""

    def __init__(self, results: Path, modules: Modules) -> None:
        self._results, self._modules = results, modules
        self._older: dict[str, bool] = {}
        self._known: list[tuple[Any, bool]] = []  # what manifests say of code, and whether it is older

    def is_of_older_code(self, file: str) -> bool:
        """Whether a file, relative to the results root, is there and other code made it.

        What is damaged is for its readers to refuse. The manifest of a folder is no result of a cheap stage.
        """
        if file not in self._older:
            is_cheap = not file.endswith(f"/{MANIFEST}")
            manifest = _content(manifest_beside(self._results / file)) if is_cheap else None
            is_older = isinstance(manifest, dict) and self._says_older(manifest)
            self._older[file] = is_older and (self._results / file).exists()
        return self._older[file]

    def _says_older(self, manifest: Mapping[str, Any]) -> bool:
        # Thousands of manifests say the same.
        said = manifest.get("code"), manifest.get("earlier_code")
        for known, is_older in self._known:
            if known == said:
                return is_older
        self._known.append((said, bool(older_modules(manifest, self._modules))))
        return self._known[-1][1]

    def write_code_files(self, files: Mapping[Stage, Iterable[str]]) -> None:
        """Write each stage's file where its content changed, and let it be newer than what other code made.

        files: the stages' results, relative to the results root.
        """
        for stage, made in files.items():
            path = self._results / code_file(stage)
            code = stage_code(stage, self._modules)
            if _content(path) != code:
                write_json(path, code)
            older = [self._results / file for file in made if self.is_of_older_code(file)]
            newest = max((file.stat().st_mtime for file in older), default=0.0)
            if newest >= path.stat().st_mtime:
                # Also where those were touched, or written by a machine whose clock is ahead.
                moment = max(time.time(), newest + 1)
                os.utime(path, (moment, moment))


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None  # damaged or absent
