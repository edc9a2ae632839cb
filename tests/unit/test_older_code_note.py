"""What was made by older code is flagged in every csv, table and figure; nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from test_exhibits import FIGURES, collect, inputs, make, shown_text

from othink_mr1.exhibits.claims import check_claims, claim_points
from othink_mr1.exhibits.frames import read_reward_curves, read_study
from othink_mr1.exhibits.older_code_note import all_modules, made_by, older_code_note
from othink_mr1.exhibits.plan_files import RunsPlan, StudiesPlan, StudyPlan, read_plan
from othink_mr1.exhibits.runs_table import collect_runs
from othink_mr1.exhibits.scorer_audit import audit_scores
from othink_mr1.exhibits.table1 import latex, markdown, table1
from othink_mr1.study.artefacts import write_manifest

OLDER = {"training.loss": "0", "training.advantages": "0"}
MODULES = "training.advantages training.loss"
SAID = "made by older code (modules training.advantages, training.loss): "


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GRPO's and GRPO-D's runs on geometry are of older code, one of two seeds."""
    root = make(tmp_path_factory.mktemp("results"), seeds=(42, 43))
    for run in root.glob("runs/geometry-grpo-*-s42"):
        manifest = json.loads((run / "manifest.json").read_text())
        facts = {name: manifest[name] for name in ("device", "wall_seconds", "gpu_hours", "execution")}
        write_manifest(run, code=OLDER, **facts)
    collect(root)
    return root


def test_the_csv_files_name_the_modules(results: Path) -> None:
    frame = read_study(results / "same_task.csv")
    older = frame[frame.older_code != ""]
    assert set(older.older_code) == {MODULES}
    assert set(zip(older.method, older.trained_on, older.seed, strict=True)) == {
        (method, "geometry", seed) for method in ("grpo", "grpo-d") for seed in ("42", "all")
    }
    curves = read_reward_curves(results / "reward_curves.csv")
    assert set(curves[curves.older_code == MODULES].seed) == {"42"}
    runs = collect_runs(read_plan(results / "plans/runs.json", RunsPlan), results)
    assert set(runs[runs.older_code == MODULES].run) == {
        run.name for run in results.glob("runs/geometry-grpo-*-s42")
    }
    assert set(runs.older_code) == {MODULES, ""}
    audit = audit_scores(read_plan(results / "plans/same_task.json", StudyPlan), results)
    assert set(audit[audit.older_code == MODULES].method) == {"grpo", "grpo-d"}


def test_claims_name_the_modules_of_both_sides(results: Path) -> None:
    points = claim_points(read_plan(results / "plans/claims.json", StudiesPlan), results)
    older = check_claims(points).set_index("claim").older_code
    assert older["same_task_grpo_over_base_geometry"] == MODULES
    assert older["same_task_sft_over_grpo_geometry"] == MODULES
    assert older["same_task_sft_over_base_geometry"] == ""
    assert older["same_task_grpo_over_base_counting"] == ""
    assert older["reasoning_to_understanding_grpo_d_over_sft"] == MODULES
    # Of the sweeps one point is table 1's run.
    assert older["kl_weight_rises_then_falls"] == MODULES


def test_the_table_says_so_below(results: Path) -> None:
    table = table1(read_study(results / "same_task.csv"))
    said = f"{SAID.capitalize()}GRPO (1 of 4), GRPO-D (1 of 4)."
    assert f"{said}  \n" in markdown(table)
    assert f"% {said}\n" in latex(table)


@pytest.mark.parametrize("number", [1, 3, 5, 6, 7, 8])
def test_figures_say_so_in_their_subtitle(results: Path, number: int) -> None:
    figure = FIGURES[number].draw(inputs(results, number))
    title = figure.chart.to_dict()["title"]["subtitle"]
    said = " ".join(title)
    expected = {
        1: "GRPO (4 of 9)",  # the first point is base
        3: "GRPO-D (1 of 2)",
        5: "GRPO (1 of 2)",
        6: "GRPO",
        7: "GRPO (1 of 4), GRPO-D (1 of 4)",
        8: "GRPO-D (1 of 2)",
    }[number]
    assert f"{SAID}{expected}" in said
    assert MODULES in set(figure.data.older_code)


@pytest.mark.parametrize("number", FIGURES)
def test_without_older_code_nothing_is_said(number: int, tmp_path: Path) -> None:
    root = make(tmp_path)
    figure = FIGURES[number].draw(inputs(root, number))
    assert "older code" not in shown_text(figure)
    assert set(figure.data.older_code.fillna("")) == {""}


def test_figure_2_says_of_which_set(results: Path, tmp_path: Path) -> None:
    root = make(tmp_path)
    write_manifest(root / "data" / "geometry")  # without code
    figure = FIGURES[2].draw(inputs(root, 2))
    assert "geometry reasoning: made by code that is not recorded" in shown_text(figure)
    assert list(figure.data.older_code) == ["", "unknown"]


def test_the_words() -> None:
    points = pd.DataFrame(
        {
            "method": ["base", "grpo", "grpo", "grpo-d", "mine"],
            "older_code": ["", "a", "", "unknown", "a b c d e"],
        }
    )
    assert older_code_note(points) == [
        "made by older code (module a): GRPO (1 of 2)",
        "made by code that is not recorded: GRPO-D",
        "made by older code (modules a, b, c and 2 more): mine",
    ]
    assert older_code_note(points[:1]) == []
    assert made_by("a unknown") == "older code (modules a, unknown)"
    assert all_modules(["b a", "", "a c"]) == "a b c"
