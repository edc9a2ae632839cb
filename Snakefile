# The study of OThink-MR1 as one DAG. Config: config.yaml and the overlays given with --configfile or
# a profile. Rules, by stage: rules/. Their programs: workflow_scripts/.
import os
import shutil
import sys
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.utils import min_version

min_version("9.27")

sys.path.insert(0, str(Path(workflow.basedir) / "workflow_scripts"))

from othink_mr1.artefacts.one_writer import hold_results
from othink_mr1.artefacts.start_checks import refuse_future, refuse_links
from othink_mr1.config.load import load_study
from othink_mr1.config.profiles import refuse_dropped_overlays, refuse_unknown_names
from othink_mr1.errors import errors_in_one_line
from othink_mr1.plan.downloaded import check_downloads
from othink_mr1.plan.identity import check_local_sources
from othink_mr1.plan.plan_files import let_plans_be_old
from othink_mr1.plan.runs import all_runs
from othink_mr1.scoring.task_scorers import check_scorers

if workflow.is_main_process:
    refuse_dropped_overlays(
        get_argument_parser, sys.argv[1:], workflow.overwrite_configfiles
    )

# The package reads and checks the config before Snakemake does: Snakemake's error messages have no line numbers
# and do not report duplicate keys.
with errors_in_one_line():
    study = load_study(
        [Path("config.yaml"), *map(Path, workflow.overwrite_configfiles)],
        workflow.config_settings.config,
    )
    check_scorers(study)
    check_local_sources(study)
    all_runs(study)


configfile: "config.yaml"


pathvars:
    results=study.results,


include: "rules/common.smk"
include: "rules/cluster.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"


if workflow.is_main_process:
    with errors_in_one_line():
        check_downloads(study, Path(study.results), LOCK_FILE)


# Snakemake runs this before its first job: not under -n, not in jobs, and not when there is nothing to do.
onstart:
    if workflow.is_main_process:
        with errors_in_one_line():
            hold_results(Path(study.results))
            refuse_links(Path(study.results))
            refuse_future(
                Path(study.results, file) for file in exhibit_files(study)
            )
            # Backups that Snakemake made of an earlier start's outputs: it would restore them when a job fails.
            shutil.rmtree(".snakemake/backups", ignore_errors=True)
            check_cluster()
            let_plans_be_old(study, plans())


onsuccess:
    if workflow.is_main_process:
        first = Path(study.results, "report.html")
        hint = f"; open {first} first" if first.exists() else ""
        print(f"The results are in {study.results}{hint}.", file=sys.stderr)


onerror:
    if workflow.is_main_process:
        print(
            "Run the same command again to resume. What to do about failures: docs/failures.md.",
            file=sys.stderr,
        )


rule all:
    default_target: True
    input:
        expand("<results>/{file}", file=exhibit_files(study)),


# `snakemake table1` makes the files of that exhibit. A study named as a rule has only its files' paths.
for name, files in named_exhibits(study).items():
    if name not in {known.name for known in workflow.rules}:

        rule:
            name:
                name
            input:
                expand("<results>/{file}", file=files),


if workflow.is_main_process:
    refuse_unknown_names(
        get_argument_parser, sys.argv[1:], [known.name for known in workflow.rules]
    )
