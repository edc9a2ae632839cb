"""Command line: measure, then write csv files and charts.

    PYTHONPATH=workflow_scripts python -m benchmarks.speed [--only PART] [--quick] [--output FOLDER]

Without --only all parts run. Each part writes its csv as soon as it is done, and replaces that file alone.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

# Everything is made on the spot: nothing is to be looked for on the hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import torch
import transformers

from benchmarks.speed.backbone import make_backbone
from benchmarks.speed.charts import draw_charts
from benchmarks.speed.machine import SgemmPeak, machine_facts
from benchmarks.speed.parts import PARTS, full_plan, quick_plan
from othink_mr1.artefacts.atomic_files import write_json

THREADS = 2


def main() -> None:
    """Measure what the arguments say."""
    arguments = _arguments()
    _be_quiet()
    torch.set_num_threads(arguments.threads)
    output = Path(arguments.output)
    plan = quick_plan() if arguments.quick else full_plan()
    if arguments.rounds:
        plan = plan.with_rounds(arguments.rounds)
    if arguments.shapes:
        plan = plan.with_shapes(arguments.shapes)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        backbone = Path(scratch) / "backbone"
        make_backbone(backbone)
        facts = machine_facts() | {"quick": arguments.quick}
        peak = SgemmPeak(products=1 if arguments.quick else 8)
        for name in arguments.only or PARTS:
            print(f"{name}: sgemm peak {peak.measure() / 1e9:.0f} GFLOP/s", file=sys.stderr, flush=True)
            PARTS[name](plan, backbone, Path(scratch), peak, output)
            write_json(output / "machine.json", facts | {"sgemm_peak": peak.measure()})
    draw_charts(output)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="small and few: does it run? Under a minute")
    parser.add_argument("--rounds", type=int, help="timed rounds of each comparison")
    parser.add_argument("--shapes", nargs="+", help="of the GRPO steps: S1 S2 S3 S4")
    parser.add_argument("--threads", type=int, default=THREADS)
    parser.add_argument("--output", default="results/bench", help="folder for csv files and charts")
    return parser.parse_args()


def _be_quiet() -> None:
    """Deprecation notices of the opponents' settings would drown the results."""
    warnings.filterwarnings("ignore")
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


if __name__ == "__main__":
    main()
