"""The tournament's committed numbers are those of its committed scores (docs/tournament)."""

from __future__ import annotations

import shutil
from pathlib import Path

import warm_python
from othink_mr1.exhibits.frames import write_frame
from othink_mr1.exhibits.method_comparison import compare_methods
from othink_mr1.exhibits.plans import ComparisonPlan
from othink_mr1.exhibits.seeds_needed import seeds_frame
from othink_mr1.plan.exhibits import all_plans
from repository import REPOSITORY, study
from snakemake_runs import copy_repository, run_snakemake

TOURNAMENT = REPOSITORY / "docs/tournament"
OVERLAYS = ["mini/study.yaml", "mini/kl_schedules.yaml"]


def test_the_committed_comparison_is_collected_from_the_committed_scores(tmp_path: Path) -> None:
    config = study(*OVERLAYS)
    plan = ComparisonPlan.model_validate(all_plans(config)["kl_schedules_comparison"])
    checkout = copy_repository(tmp_path)
    for part in ("raw", "data"):  # the sets, if `make mini` has rendered them
        if (made := REPOSITORY / "results/mini" / part).is_dir():
            shutil.copytree(made, checkout / "results/mini" / part)
    # The intervals need to know which items share a picture.
    folders = sorted({Path(evaluation.examples).parent for evaluation in plan.study.evaluations})
    assert len(folders) == 4
    sets = [f"results/mini/{folder}/manifest.json" for folder in folders]
    arguments = ["--profile", "mini", "--configfile", *OVERLAYS, "--", *sets]
    done = run_snakemake(checkout, arguments, timeout=600, variables=warm_python.variables())
    assert done.returncode == 0, done.stderr[-3000:]
    shutil.unpack_archive(TOURNAMENT / "results.tar.xz", checkout / "results/mini")
    frame, methods = compare_methods(plan, checkout / "results/mini")
    for name, made in (("comparison", frame), ("seeds", seeds_frame(methods, plan))):
        write_frame(tmp_path / name, made)
        assert (tmp_path / name).read_bytes() == (TOURNAMENT / f"kl_schedules_{name}.csv").read_bytes()
