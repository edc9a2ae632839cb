"""Whether answers are of the weights that their run has now: a run may have been trained again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.artefacts.verification import contents_digest

_STEP = re.compile(r"(?P<run>.+)-step(?P<step>\d+)")


def has_other_weights(answers: Path, runs: Path) -> bool:
    """Whether answers were generated with other weights than their run has now.

    answers: their folder, whose manifest names the run, or run-step<n>; runs: the folder of all runs. False
    where one of them does not tell: the run may have been deleted, and a backbone is no run.
    """
    if not (answers / MANIFEST).exists():
        return False
    manifest = read_manifest(answers)
    name, made_of = manifest.get("run"), manifest.get("made_of")
    if not isinstance(name, str) or not isinstance(made_of, Mapping):
        return False
    of_step = _STEP.fullmatch(name)
    run = runs / (of_step["run"] if of_step else name)
    if not (run / MANIFEST).exists():
        return False
    now = _digest(read_manifest(run), f"checkpoint-{of_step['step']}" if of_step else "checkpoint")
    return now not in (None, made_of.get("checkpoint"))


def _digest(manifest: Mapping[str, Any], folder: str) -> str | None:
    """The digest of a run's folder of weights, by the run's manifest; None if it lists none."""
    inside = f"{folder}/"
    found = {
        name.removeprefix(inside): str(entry["sha256"])
        for name, entry in manifest["files"].items()
        if name.startswith(inside)
    }
    return contents_digest(found) if found else None
