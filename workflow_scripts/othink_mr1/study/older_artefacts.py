"""Which results that a study uses were made by older code than there is now. Nothing is written or run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from othink_mr1.study.code_of_stages import Stage
from othink_mr1.study.config import StudyConfig
from othink_mr1.study.data_plan import Lineage
from othink_mr1.study.lineage import run_lineage
from othink_mr1.study.older_code import OlderCode
from othink_mr1.study.plan import all_evaluations, evaluation_lineage
from othink_mr1.study.runs import all_runs


@dataclass(frozen=True)
class OlderArtefact:
    """An artefact folder, relative to the results root, the stage that made it, and the modules that were
    others then (UNKNOWN if its manifest does not tell)."""

    folder: str
    stage: Stage
    modules: tuple[str, ...]


def older_artefacts(results: Path, config: StudyConfig) -> list[OlderArtefact]:
    """What a study uses and older code made, in the order of its stages."""
    lineage: Lineage = {}
    for run in all_runs(config):
        lineage |= run_lineage(config, run)
    for evaluation in all_evaluations(config):
        lineage |= evaluation_lineage(config, evaluation)
    code = OlderCode(results)
    found = [OlderArtefact(folder, stage, tuple(code.of([folder]))) for folder, stage in lineage.items()]
    return [artefact for artefact in found if artefact.modules]
