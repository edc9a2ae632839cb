"""The plan of studies with candidate settings, and of training sets with validation items."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from othink_mr1.exhibits.plans import ComparisonPlan, ReportPlan
from othink_mr1.plan import exhibits as plan
from othink_mr1.plan import tables
from othink_mr1.plan.data import used_sets
from othink_mr1.plan.evaluations import evaluations, scores_file
from othink_mr1.plan.folders import data_folder
from othink_mr1.plan.runs import all_runs, grid_runs
from repository import REPOSITORY, study

STUDY = "kl_schedules"
MINI = study("mini/study.yaml", "mini/kl_schedules.yaml")
PAPER = study("studies/kl_schedules.yaml")
TOURNAMENT = REPOSITORY / "docs/tournament"


@pytest.mark.parametrize(
    ("config", "candidates", "seeds"), [(MINI, 2, 13), (PAPER, 3, 7)], ids=["mini", "paper"]
)
def test_every_candidate_is_trained_with_every_seed(config, candidates: int, seeds: int) -> None:
    runs = [run for run in grid_runs(config, STUDY) if run.trained]
    assert len(runs) == len({run.digest for run in runs}) == (7 * candidates + 1) * 2 * seeds
    assert {run.settings.steps for run in runs} == {config.methods["grpo"]["steps"]}  # the same budget


def test_seeds_of_the_choice_are_tested_on_validation_items_alone() -> None:
    choice = MINI.studies[STUDY].choice
    assert choice is not None
    for evaluation in evaluations(MINI, STUDY):
        run = evaluation.run
        if not run.trained:
            assert evaluation.tested_on in ("counting", "geometry")
        elif run.seed in choice.seeds:
            assert evaluation.tested_on == f"{run.task}.validation"
        else:
            assert evaluation.tested_on in ("counting", "geometry")
    assert len(evaluations(MINI, STUDY)) == 2 + 15 * 2 * (3 + 10 * 2)


def test_runs_train_on_the_rest_and_are_chosen_on_the_validation_items() -> None:
    rest = data_folder(MINI, "rendered_scenes.rest").removeprefix("data/")
    validation = data_folder(MINI, "rendered_scenes.validation").removeprefix("data/")
    whole = data_folder(MINI, "rendered_scenes").removeprefix("data/")
    runs = tables.runs(MINI)
    own = [row for name, row in runs.items() if name.startswith("counting_split-")]
    assert {row.examples for row in own} == {rest}
    assert {row.examples for name, row in runs.items() if name.startswith("counting-")} == {whole}
    chosen_on = {row.examples for row in tables.answers(MINI)[STUDY] if ".validation-" in row.tested_task}
    assert validation in chosen_on
    parts = tables.parts(MINI)
    assert parts[rest] == tables.PartFolder(whole, "--part rest --share 0.1 --seed 0")
    assert parts[validation] == tables.PartFolder(whole, "--part validation --share 0.1 --seed 0")
    assert not set(parts) & set(tables.data_sets(MINI))
    assert {"rendered_scenes", "rendered_scenes.rest"} <= set(used_sets(MINI))  # so that prune keeps them


def test_a_part_has_a_name_for_each_split() -> None:
    names = {
        data_folder(
            study("mini/study.yaml", "mini/kl_schedules.yaml", tasks={"counting_split": {"validation": v}}),
            "rendered_scenes.rest",
        )
        for v in ({"share": 0.1, "seed": 0}, {"share": 0.2, "seed": 0}, {"share": 0.1, "seed": 1})
    }
    assert len(names) == 3


def test_validation_items_are_compared_with_the_rest_alone() -> None:
    """Compared with the whole set, all would be leaks."""
    pairs = tables.leak_pairs(MINI)
    tested = [pair.arguments for pair in pairs.values() if ".validation" in pair.arguments]
    assert len(tested) == 2
    assert all(".rest --test-name" in arguments and arguments.endswith("--refuse") for arguments in tested)


def test_golds_of_a_split_set_are_checked_by_the_tasks_scorer() -> None:
    config = study("mini/study.yaml", tasks={"counting": {"validation": {"share": 0.1, "seed": 0}}})
    row = tables.data_sets(config)[data_folder(config, "rendered_scenes").removeprefix("data/")]
    assert "--scorers counting" in row.arguments
    raw = tables.raw_of_task(config, "counting")
    assert [name.rpartition("-")[0] for name in raw] == ["rendered_scenes", "rendered_scenes_test"]


def test_a_study_with_candidates_changes_no_other() -> None:
    without = study("mini/study.yaml")
    names = {run.name for run in all_runs(without)}
    assert names <= {run.name for run in all_runs(MINI)}
    for name in without.studies:
        assert plan.all_plans(MINI)[name] == plan.all_plans(without)[name]


def test_the_comparison_and_its_figure_are_exhibits() -> None:
    files = plan.exhibit_files(MINI)
    for file in (
        "kl_schedules_comparison.csv",
        "kl_schedules_seeds.csv",
        "tables/kl_schedules_comparison.md",
    ):
        assert file in files
    assert "figures/kl_schedules.svg" in files
    assert plan.drawn_from(MINI, STUDY) == ("kl_schedules_comparison", "kl_schedules_seeds")
    compared = ComparisonPlan.model_validate(plan.all_plans(MINI)["kl_schedules_comparison"])
    assert compared.baseline == "kl-constant"
    assert compared.tasks["counting_split"].own == "counting"
    assert compared.tasks["counting_split"].validation == "counting_split.validation"
    assert list(ReportPlan.model_validate(plan.all_plans(MINI)["report"]).compared) == [STUDY]


def test_the_own_task_of_a_comparison_is_one_that_is_tested() -> None:
    overlays = ("mini/study.yaml", "mini/kl_schedules.yaml")
    config = study(*overlays, studies={STUDY: {"tested_on": "own"}})
    compared = ComparisonPlan.model_validate(plan.all_plans(config)[f"{STUDY}_comparison"])
    assert compared.tasks["counting_split"].own == "counting_split"
    assert "counting_split" in {evaluation.tested_on for evaluation in evaluations(config, STUDY)}


def test_a_variant_s_task_is_no_other_task() -> None:
    mine = {"tasks": ["counting_split"], "methods": ["base", "sft"], "tested_on": "other"}
    config = study("mini/study.yaml", "mini/kl_schedules.yaml", studies={"mine": mine})
    trained = [evaluation for evaluation in evaluations(config, "mine") if evaluation.run.trained]
    assert [evaluation.tested_on for evaluation in trained] == ["geometry"]


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """docs/tournament/results.tar.xz: what the comparison is collected from, run by run."""
    folder = tmp_path_factory.mktemp("committed")
    shutil.unpack_archive(TOURNAMENT / "results.tar.xz", folder)
    return folder


def test_the_committed_results_are_of_this_plan(committed: Path) -> None:
    manifests = {path.parent.name: json.loads(path.read_text()) for path in committed.glob("runs/*/*.json")}
    runs = {run.name: run.digest for run in grid_runs(MINI, STUDY) if run.seed is not None}
    assert {name: manifest["digest"] for name, manifest in manifests.items()} == runs
    assert len({manifest["made_of"]["backbone"] for manifest in manifests.values()}) == 1
    scores = {path.relative_to(committed).as_posix() for path in committed.glob("scores/*/*/*.csv")}
    assert scores == {scores_file(MINI, evaluation) for evaluation in evaluations(MINI, STUDY)}
