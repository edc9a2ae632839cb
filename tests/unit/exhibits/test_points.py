"""What is averaged: runs that differ in their seed alone. What a study varies is told apart, everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_results import SyntheticResults, collected, write_verdicts

from othink_mr1.exhibits import figure4
from othink_mr1.exhibits.captions import labelled
from othink_mr1.exhibits.cases import rule_line
from othink_mr1.exhibits.claims import check_claims, claim_points
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.figure1 import curve_points
from othink_mr1.exhibits.figure_files import FigureInputs
from othink_mr1.exhibits.frames import by_setting, pooled, read_study, write_frame
from othink_mr1.exhibits.labels import method_label, method_styles
from othink_mr1.exhibits.plans import CasesPlan, StudiesPlan, StudyPlan, TablePlan
from othink_mr1.exhibits.table1 import markdown, table1
from othink_mr1.plan.exhibits import runs_plan, study_plan
from othink_mr1.tools.status import study_status
from repository import study


def entries(changes: dict[str, Any], **overrides: Any) -> list[dict[str, Any]]:
    """The plan's entries of a study of the smoke config."""
    grid = {"tasks": ["geometry"], "methods": ["base", "sft"], "tested_on": "own"} | changes
    config = study("tests/study.yaml", studies={"same_task": grid}, **overrides)
    found: list[dict[str, Any]] = study_plan(config, "same_task")["evaluations"]
    return found


@pytest.mark.parametrize(
    ("method", "vary"),
    [
        ("sft", {"learning_rate": [1e-5, 1e-3]}),
        ("sft", {"batch_size": [2, 4]}),
        ("sft", {"precision": ["fp32", "bf16"]}),
        ("sft", {"train_vision_tower": [True, False]}),
        ("sft", {"weight_decay": [0.0, 0.1]}),
        ("grpo", {"temperature": [0.7, 1.0]}),
        ("grpo", {"group_size": [2, 4]}),
        ("grpo", {"reward_scorer": ["r1v", "exact"]}),
        ("grpo", {"format_weight": [0.0, 1.0]}),
        ("grpo", {"kl_schedule.weight": [0.0, 0.04]}),
        ("grpo-d", {"kl_schedule.maximum": [0.04, 0.1]}),
        ("grpo-d", {"kl_schedule.exploration_steps": [0, 1]}),
    ],
)
def test_a_setting_makes_another_point_and_a_seed_does_not(method: str, vary: dict[str, list[Any]]) -> None:
    found = entries({"methods": [method], "vary": vary}, seeds=[1, 2, 3])
    assert len(found) == 6
    ((path, values),) = vary.items()
    by_point: dict[str, list[dict[str, Any]]] = {}
    for entry in found:
        by_point.setdefault(entry["point"], []).append(entry)
    assert [sorted(entry["seed"] for entry in point) for point in by_point.values()] == [[1, 2, 3]] * 2
    shown = [[entry["varied"] for entry in point] for point in by_point.values()]
    assert [{tuple(varied) for varied in point} for point in shown] == [{(path,)}] * 2
    assert len({point[0][path] for point in shown}) == len(values)


@pytest.mark.parametrize(
    "change",
    [
        {"tasks": {"geometry": {"max_new_tokens": 9}}},
        {"tasks": {"geometry": {"test_prompt": "{question} Think."}}},
        {"evaluation": {"precision": "bf16"}},
    ],
)
def test_the_evaluation_is_part_of_a_point(change: dict[str, Any]) -> None:
    usual, other = entries({}), entries({}, **change)
    assert [entry["run"] for entry in usual] == [entry["run"] for entry in other]
    assert not {entry["point"] for entry in usual} & {entry["point"] for entry in other}


def test_steps_methods_of_equal_settings_and_backbones_are_points_of_their_own() -> None:
    found = entries({"methods": ["grpo"], "curves": True})
    assert [entry["step"] for entry in found] == [1, None]
    assert len({entry["point"] for entry in found}) == 2
    twin = {"methods": {"twin": {"inherits": "sft"}}}
    assert len({entry["point"] for entry in entries({"methods": ["sft", "twin"]}, **twin)}) == 2


def test_what_nothing_varies_is_not_shown() -> None:
    found = entries({"tasks": ["counting", "geometry"], "methods": ["base", "sft", "grpo"]}, seeds=[1, 2])
    assert all(entry["varied"] == {} for entry in found)


def test_runs_and_status_show_what_is_varied() -> None:
    grid = {"methods": ["sft"], "tested_on": "own", "vary": {"learning_rate": [1e-5, 1e-3]}}
    config = study("tests/study.yaml", studies={"same_task": grid | {"tasks": ["geometry"]}})
    shown = [run["varied"] for run in runs_plan(config, "runs")["runs"]]
    assert shown[:2] == [{"learning_rate": "1e-05"}, {"learning_rate": "0.001"}]
    backbone, *rows = [row.varied for row in study_status(config)]
    assert (backbone, *rows[:2]) == ("", "learning_rate=1e-05", "learning_rate=0.001")


TABLE = TablePlan(proposed="grpo-d", baselines=["base", "sft", "grpo"])
RATES = ("1e-05", "0.001")


@pytest.fixture(scope="module")
def two_rates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The issue's study: base and SFT on geometry, one seed, two learning rates."""
    root = tmp_path_factory.mktemp("two_rates")
    made = SyntheticResults(root, items=24)
    plan = [made.evaluation("base", None, "geometry", None, 0.25)]
    for rate, accuracy in zip(RATES, (0.3, 0.8), strict=True):
        entry = made.evaluation("sft", "geometry", "geometry", 42, accuracy, weights=(float(rate), None))
        plan.append(entry | {"format_weight": None, "point": rate, "varied": {"learning_rate": rate}})
    return root, {"exhibit": "same_task", "evaluations": plan}


def test_learning_rates_are_no_seeds(two_rates: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """They made a row `seed all, seeds 2` with doubled items and a narrower interval."""
    root, plan = two_rates
    frame = collect_study(StudyPlan.model_validate(plan), root)
    assert list(frame.seed) == ["", "42", "42"]
    assert list(frame["items"]) == [24, 24, 24]
    assert list(frame.varied) == ["", "learning_rate=1e-05", "learning_rate=0.001"]
    assert len(pooled(frame)) == 3
    write_frame(tmp_path / "same_task.csv", frame)
    lines = markdown(table1(read_study(tmp_path / "same_task.csv"), TABLE)).splitlines()
    assert [line.split(" | ")[0] for line in lines if "SFT" in line and "|" in line] == [
        "| SFT, learning_rate=0.001",
        "| SFT, learning_rate=1e-05",
    ]
    assert "seeds 42" not in "\n".join(lines)


def test_claims_are_made_for_each_setting(two_rates: tuple[Path, dict[str, Any]]) -> None:
    root, plan = two_rates
    others = [
        {"exhibit": name, "evaluations": plan["evaluations"][:1]}
        for name in ("cross_task", "format_weight_sweep", "kl_weight_sweep")
    ]
    claims = check_claims(claim_points(StudiesPlan.model_validate({"studies": [plan, *others]}), root))
    rows = claims[claims.claim == "same_task_sft_over_base_geometry"]
    assert list(rows.setting) == ["learning_rate 1e-05", "learning_rate 0.001"]
    assert list(rows["items"]) == [24, 24]
    assert list(rows.value_seeds) == [1, 1]
    assert rows.value.iloc[0] < rows.value.iloc[1]


@pytest.mark.parametrize(
    ("tasks", "settings", "curves"),
    [
        (
            ["geometry"],
            ["learning_rate=1", "learning_rate=2"],
            ["SFT, learning_rate=1", "SFT, learning_rate=2"],
        ),
        (["counting", "geometry"], [""], ["SFT, VC → VC", "SFT, GR → GR"]),
    ],
)
def test_curves_of_several_settings_or_tasks_stay_apart(
    tasks: list[str], settings: list[str], curves: list[str]
) -> None:
    about = {"backbone": "b", "seed": "1", "steps": 4, "paper_accuracy": None}
    base = [{"method": "base", "varied": "", "trained_on": "", "tested_on": task} for task in tasks]
    sft = [
        {"method": "sft", "varied": varied, "trained_on": task, "tested_on": task}
        for varied in settings
        for task in tasks
    ]
    rows = [about | row | {"step": None} for row in (*base, *sft)]
    rows += [about | row | {"step": 2} for row in sft]
    drawn = labelled(curve_points(pd.DataFrame(rows)))
    steps = {name: list(curve.at_step) for name, curve in drawn.groupby("label")}
    assert steps == {name: [0, 2, 4] for name in curves}


def test_labels_name_the_settings_but_for_the_axis() -> None:
    frame = pd.DataFrame(
        {"method": ["grpo", "base"], "varied": ["format_weight=0.5; learning_rate=0.1; x=[2, 4]", ""]}
    )
    assert list(by_setting(frame).method) == ["grpo, format_weight=0.5, learning_rate=0.1, x=[2, 4]", "base"]
    shown = by_setting(frame, "format_weight").method
    assert [method_label(method) for method in shown] == ["GRPO, learning_rate=0.1, x=[2, 4]", "base"]
    styles = method_styles(["sft, learning_rate=0.1", "sft, learning_rate=1", "base"])
    assert [style.label for style in styles.values()] == [
        "base",
        "SFT, learning_rate=0.1",
        "SFT, learning_rate=1",
    ]
    assert len({style.colour for style in styles.values()}) == 3


def test_three_seeds_are_a_mean_with_the_spread_of_seeds(tmp_path: Path) -> None:
    made = SyntheticResults(tmp_path, items=40, seeds=(42, 43, 44))
    accuracies = (0.48, 0.65, 0.57)
    plan = [
        made.evaluation("sft", "geometry", "geometry", seed, accuracy)
        for seed, accuracy in zip(made.seeds, accuracies, strict=True)
    ]
    frame = collect_study(StudyPlan.model_validate({"exhibit": "same_task", "evaluations": plan}), tmp_path)
    *seeds, together = frame.to_dict("records")
    assert [row["seed"] for row in seeds] == ["42", "43", "44"]
    assert (together["seed"], together["items"], together["seeds"]) == ("all", 40, 3)
    assert together["spread"] == "items and seeds"
    assert together["r1v_accuracy"] == pytest.approx(sum(row["r1v_accuracy"] for row in seeds) / 3)
    width = together["r1v_high"] - together["r1v_low"]
    pooled_width = 2 * 1.96 * (0.57 * 0.43 / 120) ** 0.5
    assert width > 1.2 * pooled_width


PAPER = {"counting": (200, (85, 137, 129, 153)), "geometry": (754, (117, 245, 228, 259))}


def test_the_papers_own_counts_give_the_papers_table(tmp_path: Path) -> None:
    plan = []
    for task, (items, counts) in PAPER.items():
        for method, correct in zip(("base", "sft", "grpo", "grpo-d"), counts, strict=True):
            file = f"{task}-{method}.csv"
            verdicts = ["1,1,1,correct,,0"] * correct + ["1,0,0,wrong,,0"] * (items - correct)
            write_verdicts(tmp_path, file, f"{task}.parquet", task, verdicts)
            base = method == "base"
            plan.append(
                {
                    "point": file, "varied": {}, "backbone": "qwen2_vl_2b", "method": method,
                    "trained_on": None if base else task, "tested_on": task, "seed": None if base else 42,
                    "step": None, "steps": 0 if base else 9, "run": "base" if base else f"{task}-{method}",
                    "format_weight": None, "kl_weight": None, "kl_schedule": None, "scores": file,
                    "answers": f"answers/{file}", "examples": f"{task}.parquet", "leaks": None,
                }
            )  # fmt: skip
    frame = collected(plan, tmp_path)
    text = markdown(table1(frame, TABLE))
    base, sft, grpo, grpo_d = ("42.50", "15.52"), ("68.50", "32.49"), ("64.50", "30.24"), ("76.50", "34.35")
    printed = {"base": base, "SFT": sft, "GRPO": grpo, "GRPO-D": grpo_d}
    for line in text.splitlines()[3:7]:
        method, *cells = line.strip("| ").split(" | ")
        counting, geometry = printed[method]
        values = [re.sub(r"<.?u>|[*]", "", cell).split(" ")[0] for cell in cells]
        assert [values[place] for place in (0, 1, 4)] == [counting] * 3
        assert [values[place] for place in (5, 6, 9)] == [geometry] * 3
    for cell in (
        "42.50 [35.9–49.4]",
        "**76.50** [70.2–81.8]",
        "<u>32.49</u> [29.2–35.9]",
        "**34.35** [31.0–",
    ):
        assert cell in text
    assert "VC: 200 items; GR: 754 items" in text


def test_a_plan_is_json_that_names_its_points() -> None:
    plan = {"exhibit": "same_task", "evaluations": entries({})}
    assert all(entry.point for entry in StudyPlan.model_validate(json.loads(json.dumps(plan))).evaluations)


def test_close_values_are_told_apart() -> None:
    """With six digits both were 1e-06: nothing seemed varied, and table 1 had two rows of one name."""
    found = entries({"methods": ["sft"], "vary": {"learning_rate": [1e-6, 1.0000001e-6]}})
    assert [entry["varied"] for entry in found] == [
        {"learning_rate": "1e-06"},
        {"learning_rate": "1.0000001e-06"},
    ]


def test_a_second_method_without_training_does_not_replace_base() -> None:
    found = entries({"methods": ["base", "raw", "sft"]}, methods={"raw": {"trainer": "none"}})
    assert [entry["method"] for entry in found] == ["base", "raw", "sft"]
    assert len({entry["point"] for entry in found}) == 3


def test_a_checkpoint_that_was_not_trained_has_no_curve() -> None:
    """It began at the untrained backbone's accuracy, at step 0 like itself."""
    about = {"backbone": "small", "varied": "", "tested_on": "geometry", "paper_accuracy": float("nan")}
    rows = [
        about | dict(zip(("method", "trained_on", "seed", "step", "steps"), one, strict=True))
        for one in (
            ("base", "", "", None, 0),
            ("raw", "geometry", "", None, 0),
            ("sft", "geometry", "42", 60, 120),
            ("sft", "geometry", "42", None, 120),
        )
    ]
    points = curve_points(pd.DataFrame(rows))
    assert list(zip(points.method, points.at_step, strict=True)) == [("sft", 0), ("sft", 60), ("sft", 120)]


@pytest.fixture(scope="module")
def wide_sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A sweep of α = 0 and 1: GRPO and GRPO-D, trained on both tasks, tested on geometry, with a curve."""
    root = tmp_path_factory.mktemp("wide_sweep")
    made = SyntheticResults(root, items=24)
    accuracies = {("grpo", "geometry"): 0.9, ("grpo", "counting"): 0.1, ("grpo-d", "geometry"): 0.2}
    plan = []
    for (method, task), best in accuracies.items():
        for weight in (0.0, 1.0):
            for step in (100, None):
                accuracy = 0.5 if step else (best if weight else 1 - best)
                entry = made.evaluation(method, task, "geometry", 42, accuracy, step, (weight, 0.04))
                plan.append(entry | {"varied": {"format_weight": f"{weight:g}"}})
    return root, plan


def test_claims_about_a_sweep_take_the_claims_method_and_task(
    wide_sweep: tuple[Path, list[dict[str, Any]]],
) -> None:
    """The last method, or training task, of the plan was taken silently for GRPO on geometry."""
    root, plan = wide_sweep
    names = ("same_task", "cross_task", "format_weight_sweep", "kl_weight_sweep")
    values = []
    for kept in (plan, [e for e in plan if (e["method"], e["trained_on"]) == ("grpo", "geometry")]):
        studies = {"studies": [{"exhibit": name, "evaluations": kept} for name in names]}
        claims = check_claims(claim_points(StudiesPlan.model_validate(studies), root))
        rows = claims[claims.claim == "format_weight_1_over_0"]
        values.append(list(zip(rows.value, rows.baseline, strict=True)))
    wide, narrow = values
    assert wide == narrow
    assert wide[0][0] > 0.6 > 0.4 > wide[0][1]


def test_a_sweeps_lines_are_of_one_method_task_and_step(
    wide_sweep: tuple[Path, list[dict[str, Any]]], tmp_path: Path
) -> None:
    root, plan = wide_sweep
    path = tmp_path / "format_weight_sweep.csv"
    written = {"exhibit": "format_weight_sweep", "evaluations": plan}
    write_frame(path, collect_study(StudyPlan.model_validate(written), root))
    frame = read_study(path)
    beside = frame[frame.paper_format_accuracy.notna()]  # the paper's is of GRPO on geometry at α = 0
    assert set(zip(beside.method, beside.trained_on, beside.format_weight, strict=True)) == {
        ("grpo", "geometry", 0.0)
    }
    figure = figure4.draw(FigureInputs({"format_weight_sweep": path}, None, root))
    assert figure.data.step.isna().all()
    drawn = labelled(pooled(figure.data), "format_weight")
    lines = {name: sorted(rows.format_weight) for name, rows in drawn.groupby("label")}
    assert figure4.gain_line(figure.data).startswith("ours (GRPO, GR → GR) +")
    assert "; ours (GRPO-D, GR → GR) -" in figure4.gain_line(figure.data)
    assert lines == {
        "GRPO, GR → GR": [0, 1],
        "GRPO, VC → GR": [0, 1],
        "GRPO-D, GR → GR": [0, 1],
    }


def test_many_settings_look_different() -> None:
    styles = method_styles(f"sft, learning_rate={number}" for number in range(12))
    assert len({(style.colour, style.shape) for style in styles.values()}) == 12


def test_the_papers_number_stands_beside_the_weight_that_it_is_of(tmp_path: Path) -> None:
    """The paper's GRPO is of α = 1: beside α = 0 its number would be of another training."""
    made = SyntheticResults(tmp_path, items=24)
    plan = [
        made.evaluation("grpo", "geometry", "geometry", 42, 0.5, weights=(weight, 0.01))
        | {"varied": {"format_weight": f"{weight:g}"}}
        for weight in (0.0, 1.0)
    ]
    frame = collect_study(StudyPlan.model_validate({"exhibit": "same_task", "evaluations": plan}), tmp_path)
    assert list(frame.paper_correct.fillna(0)) == [0, 228]


@pytest.mark.parametrize(
    ("varied", "said"), [({}, "lowest seed"), ({"learning_rate": "0.1"}, "lowest seed, first setting")]
)
def test_the_rule_of_the_cases_says_that_there_are_several_settings(
    varied: dict[str, str], said: str, two_rates: tuple[Path, dict[str, Any]]
) -> None:
    rows = [row | {"varied": varied} for row in two_rates[1]["evaluations"]]
    study = {"exhibit": "same_task", "evaluations": rows}
    plan = {"studies": [study], "proposed": "grpo-d", "against": "sft", "cases": 1}
    assert rule_line(CasesPlan.model_validate(plan)).endswith(f"(r1v scorer); {said}")
