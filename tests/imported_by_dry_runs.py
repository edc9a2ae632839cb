"""Imported before dry runs are forked: what each of them imports, and Snakemake's search for its plugins."""

import importlib
import sys
from pathlib import Path

from snakemake.cli import get_argument_parser

sys.path.append(str(Path(__file__).parents[1] / "workflow_scripts"))
for _name in (
    *("snakemake.report.html_reporter", "smart_open", "snakemake_logger_plugin_rich.handler", "PIL.Image"),
    *("filelock", "ruamel.yaml", "requests", "yte", "snakemake.profiles"),
    *("othink_mr1.cluster.preflight", "othink_mr1.cluster.job_resources", "othink_mr1.plan.downloaded"),
    *("othink_mr1.scoring.counting", "othink_mr1.scoring.geometry", "othink_mr1.scoring.task_scorers"),
):
    importlib.import_module(_name)
get_argument_parser()
