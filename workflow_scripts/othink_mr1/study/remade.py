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
from othink_mr1.study.code_of_stages import Stage, computes, older_modules, stage_code
from othink_mr1.study.manifests import manifest_beside
from othink_mr1.study.module_digests import Modules


def code_file(stage: Stage) -> str:
    """The file with a stage's code, relative to the results root."""
    return f"plans/code.{'.'.join(filter(None, stage))}.json"


def is_of_older_code(file: Path, modules: Modules) -> bool:
    """Whether a file is there that other code made. What is damaged is for its readers to refuse."""
    if not file.exists():
        return False
    try:
        manifest = json.loads(manifest_beside(file).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(manifest, dict) and bool(older_modules(manifest, modules))


def write_code_files(results: Path, files: Mapping[Stage, Iterable[str]], modules: Modules) -> None:
    """Write each stage's file where its content changed, and let it be newer than what other code made.

    files: the stages' results, relative to the results root.
    """
    for stage, made in files.items():
        path = results / code_file(stage)
        code = {name: digest for name, digest in stage_code(stage, modules).items() if computes(name)}
        if _content(path) != code:
            write_json(path, code)
        older = [results / file for file in made if is_of_older_code(results / file, modules)]
        newest = max((file.stat().st_mtime for file in older), default=0.0)
        if newest >= path.stat().st_mtime:
            # Also where those were touched, or written by a machine whose clock is ahead.
            moment = max(time.time(), newest + 1)
            os.utime(path, (moment, moment))


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
