# Shared by all rules: the study as tables, the Python that runs, and wildcard constraints.

from functools import cache

from othink_mr1.own_python import put_own_python_on_path
from othink_mr1.plan import tables, versions
from othink_mr1.plan.download_lock import LOCK_FILE
from othink_mr1.plan.exhibits import (
    CLAIMS_NEED,
    compared_runs,
    compared_studies,
    comparison,
    drawn_from,
    exhibit_files,
    figure_plan,
    figures,
    items_in_report,
    listed_runs,
    named_exhibits,
    shown_in_report,
    shows_items,
)
from othink_mr1.plan.plan_files import is_kept, plan_inputs
from othink_mr1.plan.tables import any_of

raw_sets = tables.raw_sets(study)
data_sets = tables.data_sets(study)
parts = tables.parts(study)
backbones = tables.backbones(study)
runs = tables.runs(study)
# A run's name may match both trainers' patterns: that one table lacks it decides.
sft_runs, grpo_runs = tables.runs(study, "sft"), tables.runs(study, "grpo")
answers_of_study = tables.answers(study)
answers = tables.answers_by_folder(answers_of_study)
leak_pairs = tables.leak_pairs(study)


@cache
def plans():
    """Exhibit -> its plan file; called only where an exhibit is planned."""
    return plan_inputs(study, newer=workflow.is_main_process)


def plan_of(exhibit):
    """An exhibit's plan file; ancient() if the results folder already has it, since its age then means nothing."""
    path = plans()[exhibit]
    return ancient(path) if is_kept(path, study) else path


def answers_asked_for(wildcards):
    """The row of the answers table that a rule's wildcards name."""
    return answers[f"{wildcards.checkpoint}/{wildcards.tested_task}"]


def answers_of_studies(names):
    """The answers of several studies."""
    return [entry for name in names for entry in answers_of_study[name]]


def answers_shown(figure):
    """The answers from which a figure shows examples."""
    return answers_of_studies(figures(study)[figure]) if shows_items(figure) else []


def test_sets(found):
    """The test sets of these answers."""
    return {entry.examples for entry in found}


def leak_reports(found):
    """The leak reports of these answers: test items in the training data. The untrained backbone has none."""
    return {entry.leaks for entry in found if entry.leaks is not None}


def sets_shown(figure):
    """The test sets from which a figure shows items."""
    if figure == "figure2":
        return [tables.sets_of_task(study, task)[1] for task in study.own_tasks]
    return test_sets(answers_shown(figure))


put_own_python_on_path()


# Only names that the config defines: a digest of an older config cannot be requested and filled with
# something else. For runs and checkpoints, which can be thousands, the rules' lookups ensure this.
wildcard_constraints:
    raw=any_of(raw_sets),
    data_set=any_of([*data_sets, *parts]),
    backbone=any_of(backbones),
    tested_task=any_of({entry.tested_task for entry in answers.values()}),
    scores=any_of({entry.scores for entry in answers.values()}),
    pair=any_of(leak_pairs),
    leaks_version=str(versions.LEAKS),
    task=any_of(study.tasks),
    study=any_of(study.studies),
    figure=any_of(figures(study)),
