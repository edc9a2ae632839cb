# What all rules share: which python runs, and how wildcards are bounded.

from othink_mr1.plan import versions
from othink_mr1.study.workflow import DOWNLOAD_LOCK

put_own_python_on_path()


# Only names that the config yields: a digest of an older config cannot be asked for and filled with
# something else. Of runs and checkpoints, which can be thousands, the rules' input functions see to that.
wildcard_constraints:
    raw="|".join(study.raw_sources),
    data_set="|".join(study.data_sets),
    backbone="|".join(study.backbones),
    tested_task="|".join(study.tested_tasks),
    pair="|".join(study.leak_pairs),
    leaks_version=str(versions.LEAKS),
    task="|".join(study.config.tasks),
    study="|".join(study.config.studies),
    figure=r"figure\d+",


def named_examples(wildcards, input):
    """`name=file` for every set that a small backbone is pretrained on."""
    shares = study.config.backbones[study.backbones[wildcards.backbone]].pretraining
    return " ".join(
        f"{name}={Path(manifest).with_name('examples.parquet')}"
        for name, manifest in zip(shares, input.examples)
    )
