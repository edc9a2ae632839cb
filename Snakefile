# The study of OThink-MR1 as one DAG. Config: config.yaml and the overlays given with --configfile or
# a profile. Rules, by stage: rules/. What they run: workflow_scripts/.
import sys
from pathlib import Path

from snakemake.cli import get_argument_parser
from snakemake.utils import min_version

min_version("9.27")

scripts = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(scripts))

from othink_mr1.study.plan_files import write_plans
from othink_mr1.cluster.preflight import Request
from othink_mr1.config.profiles import refuse_dropped_overlays
from othink_mr1.study.workflow import put_own_python_on_path, read_study

if workflow.is_main_process:
    refuse_dropped_overlays(
        get_argument_parser, sys.argv[1:], workflow.overwrite_configfiles
    )

# Read and checked by the package before Snakemake reads them: Snakemake's messages know neither lines
# nor duplicate keys.
study = read_study(
    ["config.yaml", *workflow.overwrite_configfiles], workflow.config_settings.config
)


configfile: "config.yaml"


pathvars:
    results=study.config.results,


include: "rules/common.smk"
include: "rules/cluster.smk"
include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"


if workflow.is_main_process:
    study.check_downloads()
    write_plans(study)


# Neither under -n, nor in jobs, nor when nothing is to be done: Snakemake runs this before its first job.
onstart:
    if workflow.is_main_process:
        study.hold_results()
        check_cluster()


rule all:
    default_target: True
    input:
        study.exhibit_files(),
