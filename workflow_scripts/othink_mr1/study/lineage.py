"""Which artefacts a run comes from, and by which stage each was made; of sets: data_plan.py.

Only what the workflow's own code makes: a download is the same bytes whatever code fetched it.
"""

from __future__ import annotations

from othink_mr1.study.code_of_stages import Stage
from othink_mr1.study.config import StudyConfig
from othink_mr1.study.data_plan import Lineage, set_lineage
from othink_mr1.study.folders import backbone_folder
from othink_mr1.study.methods import GRPO
from othink_mr1.study.per_config import per_config
from othink_mr1.study.runs import Run
from othink_mr1.study.sources import SmallBackbone


@per_config
def backbone_lineage(config: StudyConfig, backbone: str) -> Lineage:
    """A small backbone with what it is pretrained on; nothing for one from the hub."""
    declared = config.backbones[backbone]
    if not isinstance(declared, SmallBackbone):
        return {}
    found = {backbone_folder(config, backbone): Stage("pretrain")}
    for share in declared.pretraining.values():
        found |= set_lineage(config, share.source)
    return found


def run_lineage(config: StudyConfig, run: Run) -> Lineage:
    """A run, if it is trained, with its training set and its backbone."""
    found: Lineage = {}
    if run.task is not None:
        task = config.tasks[run.task]
        by_grpo = isinstance(run.settings, GRPO)
        found[f"runs/{run.name}"] = Stage("train_grpo", task.scorer) if by_grpo else Stage("train_sft")
        found |= set_lineage(config, task.train)
    return found | backbone_lineage(config, run.backbone)
