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
    """path: a folder, or a file of a cheap stage, below the results root. modules: those that were others
    when it was made (UNKNOWN if its manifest does not tell)."""

    path: str
    stage: Stage
    modules: tuple[str, ...]


def older_artefacts(results: Path, config: StudyConfig) -> list[OlderArtefact]:
    """What a study uses and older code made: of its training runs first, then what else its evaluations need.

    Of cheap stages (scores, reports of leaks) too, which Snakemake makes anew by itself.
    """
    lineage: Lineage = {}
    for run in all_runs(config):
        lineage |= run_lineage(config, run)
    for evaluation in all_evaluations(config):
        lineage |= evaluation_lineage(config, evaluation)
    code = OlderCode(results)
    found = [OlderArtefact(path, stage, tuple(code.of([path]))) for path, stage in lineage.items()]
    return [artefact for artefact in found if artefact.modules]
