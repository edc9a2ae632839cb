# What all rules share: the study as tables, which python runs, and how wildcards are bounded.

from functools import cache

from othink_mr1.plan import tables, versions
from othink_mr1.plan.download_lock import LOCK_FILE
from othink_mr1.plan.exhibits import exhibit_files
from othink_mr1.plan.plan_files import is_kept, plan_inputs
from othink_mr1.plan.tables import any_of

raw_sets = tables.raw_sets(study)
data_sets = tables.data_sets(study)
backbones = tables.backbones(study)
runs = tables.runs(study)
sft_runs, grpo_runs = tables.runs(study, "sft"), tables.runs(study, "grpo")
answers_of_study = tables.answers(study)
answers = tables.answers_by_folder(answers_of_study)
leak_pairs = tables.leak_pairs(study)


@cache
def plans():
    """Exhibit -> its plan file; asked for only where an exhibit is planned."""
    return plan_inputs(study, newer=workflow.is_main_process)


def plan_of(exhibit):
    """An exhibit's plan file. Of one that the results keep the age tells nothing."""
    path = plans()[exhibit]
    return ancient(path) if is_kept(path, study) else path


# Let `python` in the rules be the one that runs Snakemake; `.venv/bin/snakemake` alone does not. In the
# environment, so that the environment of --sdm conda or apptainer, activated later, comes first.
os.environ["PATH"] = os.pathsep.join(
    [str(Path(sys.executable).parent), *filter(None, [os.environ.get("PATH")])]
)


# Only names that the config yields: a digest of an older config cannot be asked for and filled with
# something else. Of runs and checkpoints, which can be thousands, the rules' lookups see to that.
wildcard_constraints:
    raw=any_of(raw_sets),
    data_set=any_of(data_sets),
    backbone=any_of(backbones),
    tested_task=any_of({entry.tested_task for entry in answers.values()}),
    scores=any_of({entry.scores for entry in answers.values()}),
    pair=any_of(leak_pairs),
    leaks_version=str(versions.LEAKS),
    task=any_of(study.tasks),
    study=any_of(study.studies),
    figure=r"figure\d+",
