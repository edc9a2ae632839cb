"""Which modules each stage of the study uses, and which of them are others now than when a result was made.

A result's manifest has `code`: the digest of each module that its job could use (module_digests.py), and
`earlier_code` if jobs of other code began it. That is a fact about how it was made and no part of what it is:
changed code reruns no training, and the exhibits say that a run is of older code. Raising the stage's number
in versions.py makes it anew.

Not every module can make a result older. What study/ decides is in the results' names, by their settings;
the rest of it looks after files. So a change there says nothing about a number; the manifest has it all the
same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

from othink_mr1.errors import UserError
from othink_mr1.study.atomic_files import json_text
from othink_mr1.study.module_digests import PACKAGE, Modules

# In place of a module's name, for a result whose manifest does not say what code made it.
UNKNOWN = "unknown"

# What a stage's results come from. Those of the cheap ones are made anew when one of these changed.
_ENTRY_POINTS = {
    "render": ("render_source",),
    "prepare": ("prepare_dataset",),
    "pretrain": ("pretrain_backbone",),
    "train_sft": ("train_sft",),
    "train_grpo": ("train_grpo",),
    "generate": ("generate_answers",),
    "score": ("score_answers",),
    "fingerprint": ("fingerprint_dataset",),
    "find_leaks": ("fingerprint_dataset", "find_leaks"),
}
# Packages and modules that compute nothing of a result; what is downloaded is compared with its digests. The
# package's own __init__.py, with its version number, is another.
_COMPUTE_NOTHING = ("study", "errors", "data.progress", "data.download")


class Stage(NamedTuple):
    """What makes a result. scorer: of training by GRPO and of scoring, which load it by its name."""

    name: str
    scorer: str | None = None

    def __str__(self) -> str:
        return self.name if self.scorer is None else f"{self.name} {self.scorer}"


@cache
def own_modules() -> Modules:
    """The modules beside this one."""
    return Modules()


def stage_code(stage: Stage, modules: Modules | None = None) -> dict[str, str]:
    """Name -> digest of each module that a stage's jobs may use. modules: by default this program's.

    UserError if there is no such scorer.
    """
    modules = modules or own_modules()
    scorer = [] if stage.scorer is None else [f"scoring.{stage.scorer}"]
    if any(modules.find(name) is None for name in scorer):
        raise UserError(
            f"scorer {stage.scorer!r}: unknown, there is no {PACKAGE}/scoring/{stage.scorer}.py; check "
            "`scorer` of the tasks in config.yaml"
        )
    return modules.used_by((*_ENTRY_POINTS[stage.name], *scorer))


def stage_digest(stage: Stage, modules: Modules) -> str:
    """One digest of the modules that can change the stage's results."""
    return _digest({name: sha256 for name, sha256 in stage_code(stage, modules).items() if computes(name)})


def exhibit_code(entry_points: tuple[str, ...], stages: Iterable[Stage], modules: Modules) -> dict[str, str]:
    """One digest of all that an exhibit's entry point uses, by its name, and one of each stage before it.

    entry_points: the entry point, and what it loads by name. An exhibit costs seconds, so here every module
    counts.
    """
    own = {entry_points[0]: _digest(modules.used_by(entry_points))}
    return own | {str(stage): stage_digest(stage, modules) for stage in stages}


def computes(module: str) -> bool:
    """Whether a change of a module can change a result whose name stays."""
    return module != PACKAGE and not any(
        module == quiet or module.startswith(f"{quiet}.") for quiet in _COMPUTE_NOTHING
    )


def code_facts(now: Mapping[str, str], before: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """`code`, and `earlier_code` where it differs: for the manifest of what a job makes or goes on with.

    now: of this job. before: these facts of all whose work it goes on with; one that lacks them is of unknown
    code.
    """
    earlier: dict[str, set[str]] = {}
    for facts in before:
        parts = [{name: [sha256] for name, sha256 in facts.get("code", {UNKNOWN: ""}).items()}]
        for part in [*parts, facts.get("earlier_code", {})]:
            for name, digests in part.items():
                earlier.setdefault(name, set()).update(digests)
    differing = {
        name: sorted(found - {now.get(name)}) for name, found in earlier.items() if found - {now.get(name)}
    }
    return {"code": dict(now)} | ({"earlier_code": differing} if differing else {})


def older_modules(manifest: Mapping[str, Any], modules: Modules | None = None) -> tuple[str, ...]:
    """The modules that were others when a result was made; UNKNOWN if its manifest does not tell."""
    modules = modules or own_modules()
    code = manifest.get("code")
    if not isinstance(code, Mapping):
        return (UNKNOWN,)
    recorded = {name: {sha256} for name, sha256 in code.items()}
    for name, digests in manifest.get("earlier_code", {}).items():
        recorded.setdefault(name, set()).update(digests)
    return tuple(
        sorted(name for name, found in recorded.items() if computes(name) and found != _now(name, modules))
    )


def _digest(code: Mapping[str, str]) -> str:
    return hashlib.sha256(json_text(dict(code)).encode()).hexdigest()


def _now(name: str, modules: Modules) -> set[str]:
    module = modules.find(name)
    return set() if module is None else {module.digest}
