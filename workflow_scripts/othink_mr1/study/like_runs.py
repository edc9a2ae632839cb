"""How a run that is not there differs from the nearest one that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from othink_mr1.artefacts.manifests import MANIFEST, read_manifest
from othink_mr1.config.settings import flat
from othink_mr1.errors import UserError
from othink_mr1.plan.runs import description
from othink_mr1.study.config_changes import shown
from othink_mr1.study.workflow import Study

_FEW = 3  # more differences than that make two runs unlike


def what_differs(study: Study, run: str) -> str | None:
    """`learning_rate: 1e-06 → 2e-06, from runs/…`; None if no run is like it but for a few settings."""
    wanted = _facts(description(study.config, study.runs[run]).model_dump(mode="json"))
    likes = []
    for folder in _same_branch(study, run):
        try:
            present = read_manifest(folder).get("run")
        except UserError:
            continue  # `make verify` is there to tell of damage
        if isinstance(present, dict) and isinstance(present.get("settings"), dict):
            facts = _facts(present)
            keys = [key for key in {**facts, **wanted} if facts.get(key) != wanted.get(key)]
            likes.append((len(keys), folder, [(key, facts.get(key), wanted.get(key)) for key in keys]))
    if not likes:
        return None
    count, folder, changes = min(likes, key=lambda like: like[:2])
    if count > _FEW:
        return None
    if not changes:
        return f"other data, backbone or code than runs/{folder.name}, which has the same settings"
    values = ", ".join(f"{key}: {shown(old)} → {shown(new)}" for key, old, new in changes)
    return f"{values}, from runs/{folder.name}"


def _same_branch(study: Study, run: str) -> list[Path]:
    """The finished runs of the same task and method, by their names."""
    wanted = study.runs[run]
    pattern = f"{wanted.task}-{wanted.method}-*/{MANIFEST}"
    return [path.parent for path in sorted((Path(study.config.results) / "runs").glob(pattern))]


def _facts(run: dict[str, Any]) -> dict[str, Any]:
    rest = {key: value for key, value in run.items() if key not in ("name", "digest", "settings")}
    return {**rest, **flat(run["settings"])}
