"""From scores to the csv files of studies, runs and reward curves."""

import csv
import json
import shutil

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint
from synthetic_results import HEADER, SyntheticResults, write_verdicts

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.errors import UserError
from othink_mr1.exhibits.collect import collect_study
from othink_mr1.exhibits.collected_tables import (
    collect_reward_curves,
    collect_runs,
    smoothed,
    smoothing_window,
)
from othink_mr1.exhibits.frames import (
    STUDY_COLUMNS,
    pooled,
    read_reward_curves,
    read_study,
    single_seeds,
    write_frame,
)
from othink_mr1.exhibits.plans import RunsPlan, StudyPlan, read_plan


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    root = tmp_path_factory.mktemp("results")
    SyntheticResults(root, items=12, seeds=(42, 43)).write_all()
    return root


def plan_of(root, name="same_task"):
    return json.loads((root / f"plans/{name}.json").read_text())


def collect(root, study):
    return collect_study(read_plan(root / f"plans/{study}.json", StudyPlan), root)


def test_counts_are_those_of_the_scores(results):
    frame = collect(results, "same_task")
    assert tuple(frame) == STUDY_COLUMNS
    plan = plan_of(results)
    singles = frame[frame.seed != "all"]
    assert len(singles) == len(plan["evaluations"])
    for entry, (_, row) in zip(plan["evaluations"], singles.iterrows(), strict=True):
        with open(results / entry["scores"], newline="") as stream:
            lines = list(csv.DictReader(stream))
        assert (row["method"], row["items"]) == (entry["method"], len(lines))
        for name, count in (("r1v", "r1v_correct"), ("exact", "exact_correct"), ("format", "format_ok")):
            correct = sum(line[count] == "1" for line in lines)
            assert row[count] == correct
            assert row[f"{name}_accuracy"] == correct / len(lines)
            assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(
                proportion_confint(correct, len(lines), method="wilson"), abs=1e-12
            )


def test_seeds_are_averaged(results):
    frame = collect(results, "same_task")
    every = frame[(frame.method == "sft") & (frame.tested_on == "counting")]
    assert list(every.seed) == ["42", "43", "all"]
    singles, together = every.iloc[:2], every.iloc[2]
    assert list(every["items"]) == [12, 12, 12]
    for count in ("r1v_correct", "exact_correct", "format_ok", "outcome_wrong"):
        assert pd.isna(together[count])  # of each seed: 24 answers are of 12 items
        assert singles[count].sum() > 0
    assert together.exact_accuracy == singles.exact_correct.sum() / 24
    assert list(every.seeds) == [1, 1, 2]
    assert set(every.spread) == {"items"}  # two seeds do not tell how seeds spread
    assert together.point == singles.point.iloc[0] != ""
    assert together.run == ""
    assert (together.r1v_minimum, together.r1v_maximum) == (
        singles.r1v_accuracy.min(),
        singles.r1v_accuracy.max(),
    )
    assert list(frame[frame.method == "base"].seed) == ["", ""]  # one row per task, nothing to pool
    assert len(pooled(frame)) == 8
    assert set(single_seeds(frame).seed) == {"42", "43"}
    assert single_seeds(frame[frame.seed == "42"]).empty  # one seed alone is the pooled row itself


def test_items_that_the_run_was_trained_on_are_counted(results):
    frame = collect(results, "same_task")
    base, trained = frame[frame.method == "base"], frame[frame.method != "base"]
    assert base.shared_items.isna().all()
    assert base.near_shared_items.isna().all()
    singles, together = trained[trained.seed != "all"], trained[trained.seed == "all"]
    assert set(zip(singles.shared_items, singles.near_shared_items, strict=True)) == {(1, 2)}
    assert set(zip(together.shared_items, together.near_shared_items, strict=True)) == {(1, 2)}  # as items
    across = collect(results, "cross_task")
    assert across[across.method != "base"].shared_items.eq(0).all()


def test_an_absent_leak_report_is_one_line(results):
    plan = plan_of(results)
    plan["evaluations"] = [plan["evaluations"][-1] | {"leaks": "data/leaks/none.csv"}]
    with pytest.raises(UserError, match=r"none\.csv: there is no such file; let snakemake look for leaks"):
        collect_study(StudyPlan.model_validate(plan), results)


def test_paper_values_stand_beside_ours(results):
    def paper(study, column="paper_accuracy"):
        frame = pooled(collect(results, study))
        return frame[frame[column].notna()]

    assert len(paper("same_task")) == 8
    assert set(paper("cross_task").method) == {"base", "sft", "grpo-d"}  # it prints none for GRPO
    assert list(paper("kl_weight_sweep").kl_weight) == [0.01]
    assert paper("format_weight_sweep").empty
    assert list(paper("format_weight_sweep", "paper_format_accuracy").format_weight) == [0.0]
    curves = paper("learning_curves")
    assert list(curves.method) == ["base", "sft", "grpo"]
    assert curves.step.isna().all()  # final values only


def test_frames_survive_the_csv(results, tmp_path):
    for study in ("same_task", "kl_weight_sweep", "learning_curves"):
        frame = collect(results, study)
        write_frame(tmp_path / "a.csv", frame)
        write_frame(tmp_path / "b.csv", read_study(tmp_path / "a.csv"))
        assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
        assert len(pooled(read_study(tmp_path / "a.csv"))) == len(pooled(frame))


def test_no_name_is_an_absent_value(results, tmp_path):
    """To pandas `nan` and `null` are none: runs trained on such a task became untrained ones."""
    names = {"method": "null", "trained_on": "nan", "tested_on": "nan", "backbone": "null"}
    write_frame(tmp_path / "a.csv", collect(results, "same_task").assign(**names))
    frame = read_study(tmp_path / "a.csv")
    assert all((frame[column] == name).all() for column, name in names.items())
    assert frame.step.isna().all()


def test_each_outcome_is_counted(results, tmp_path):
    """Two seeds: every outcome a number of times that no other has."""
    plan = plan_of(results)
    entries = [row for row in plan["evaluations"] if (row["method"], row["tested_on"]) == ("sft", "counting")]
    times = {
        "correct": (7, 1), "wrong": (6, 2), "no_answer_tag": (5, 0), "several_answers": (0, 4),
        "unparseable": (2, 3), "timeout": (1, 11),
    }  # fmt: skip
    for seed, entry in enumerate(entries):
        outcomes = [outcome for outcome, counts in times.items() for _ in range(counts[seed])]
        rows = [f"1,0,{int(outcome == 'correct')},{outcome},,0" for outcome in outcomes]
        write_verdicts(tmp_path, f"{seed}.csv", "examples.parquet", "counting", rows)
        entry |= {"scores": str(tmp_path / f"{seed}.csv"), "answers": "deleted/answers.jsonl"}
        entry["examples"] = str(tmp_path / "examples.parquet")
    frame = collect_study(StudyPlan(exhibit="x", evaluations=entries), results)
    columns = ["items", "exact_correct", "outcome_wrong", "outcome_no_answer_tag"]
    columns += ["outcome_several_answers", "outcome_unparseable", "outcome_timeout"]
    assert frame[columns][:2].to_numpy().tolist() == [[21, 7, 6, 5, 0, 2, 1], [21, 1, 2, 0, 4, 3, 11]]
    assert frame["items"][2] == 21
    assert frame[columns[1:]].iloc[2].isna().all()
    assert list(frame.r1v_correct[:2]) == [0, 0]
    assert list(frame.exact_accuracy) == [7 / 21, 1 / 21, 8 / 42]
    assert frame.exact_low[2] < 8 / 42 < frame.exact_high[2]


def test_scores_of_other_answers_are_refused(results, tmp_path):
    """Answers that were changed together with their manifest."""
    root = tmp_path / "results"
    shutil.copytree(results, root)
    plan = read_plan(root / "plans/same_task.json", StudyPlan)
    answers = root / plan.evaluations[1].answers
    answers.write_text(answers.read_text().replace("<answer>", "<answer> "))
    write_manifest(answers.parent)
    with pytest.raises(UserError, match=f"scores other answers than {answers} has now; delete"):
        collect_study(plan, root)


def test_other_items_are_refused(results, tmp_path):
    plan = plan_of(results)
    entry = plan["evaluations"][2]
    shorter = tmp_path / "shorter.csv"
    lines = (results / entry["scores"]).read_text().splitlines()[:-1]
    write_sealed_text(shorter, "\n".join(lines) + "\n")
    entry |= {"scores": str(shorter), "answers": "deleted/answers.jsonl"}
    with pytest.raises(UserError, match=r"shorter\.csv: scores other items of counting"):
        collect_study(StudyPlan.model_validate(plan), results)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("", "is no csv"),
        ("id,task,format_ok\na,counting,1\n", "has no column 'r1v_correct'"),
        ("id,task,format_ok,r1v_correct\na,counting,1,1\n", "has no column 'exact_correct'"),
        (HEADER + "a,counting,1,yes,1,correct,,0\n", "r1v_correct must be 0 or 1"),
        (HEADER + "a,counting,1,1,2,correct,,0\n", "exact_correct must be 0 or 1"),
        (
            HEADER + "a,counting,1,1,0,maybe,,0\n",
            "outcome 'maybe' is none of correct, wrong, no_answer_tag",
        ),
        (HEADER + "a,counting,1,1,0,,,0\n", "outcome '' is none of"),
        (
            HEADER + "b,counting,1,1,1,correct,,0\na,counting,1,1,0,correct,,0\n",
            "of id 'a' contradict each",
        ),
        (HEADER + "a,counting,1,1,1,wrong,another number,0\n", "of id 'a' contradict each"),
        (HEADER + 2 * "a,counting,1,1,1,correct,,0\n", "has id 'a' of task 'counting' twice"),
        (HEADER + "a,counting,1,1,1,correct,,\n", "truncated must be 0 or 1"),
        (HEADER + "a,geometry,1,1,1,correct,,0\n", "has no scores of task 'counting'"),
    ],
)
def test_damaged_scores_are_refused(results, tmp_path, content, said):
    plan = plan_of(results)
    path = tmp_path / "scores.csv"
    if content is not None:
        write_sealed_text(path, content)
    plan["evaluations"] = [plan["evaluations"][0] | {"scores": str(path)}]
    with pytest.raises(UserError, match=said):
        collect_study(StudyPlan.model_validate(plan), results)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"exhibit": "x", "evaluations": []}', "evaluations"),
        ('{"exhibit": "x", "evaluations": [{}]}', r"evaluations\.0\.point"),
    ],
)
def test_damaged_plans_are_refused(tmp_path, content, said):
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(UserError, match=said) as error:
        read_plan(tmp_path / "plan.json", StudyPlan)
    assert "\n" not in str(error.value)


def test_runs(results):
    frame = collect_runs(read_plan(results / "plans/runs.json", RunsPlan), results)
    assert len(frame) == 12
    assert frame.run.is_unique
    row = frame[frame.method == "grpo"].iloc[0]
    assert (row["kl_schedule.kind"], row["kl_schedule.weight"]) == ("constant", 0.04)
    assert (row["device"], row["wall_seconds"], row["execution.row_tokens"]) == ("CPU", 12.5, 8)
    last = pd.read_csv(results / "runs" / row.run / "metrics.csv").iloc[-1]
    assert row.final_reward == last.reward
    assert frame[frame.method == "sft"].checkpoint_steps.iloc[0] == "30 60"


def test_an_incomplete_run_is_refused(results, tmp_path):
    plan = plan_of(results, "runs")
    plan["runs"][0]["folder"] = str(tmp_path)
    with pytest.raises(UserError, match=r"incomplete, it has no manifest\.json"):
        collect_runs(RunsPlan.model_validate(plan), results)


def test_reward_curves(results, tmp_path):
    plan = read_plan(results / "plans/reward_curves.json", RunsPlan)
    frame = collect_reward_curves(plan, results)
    assert set(frame.method) == {"grpo", "grpo-d"}
    assert frame.groupby("run").step.max().eq(100).all()
    write_frame(tmp_path / "curves.csv", frame)
    assert len(read_reward_curves(tmp_path / "curves.csv")) == len(frame) == 8 * 100
    of_sft = read_plan(results / "plans/runs.json", RunsPlan)
    with pytest.raises(UserError, match="has no column 'accuracy_reward'"):
        collect_reward_curves(of_sft, results)
    assert collect_reward_curves(RunsPlan(runs=[]), results).empty


def test_smoothing():
    assert [smoothing_window(steps) for steps in (1, 3, 200, 1004)] == [1, 1, 10, 50]
    assert list(smoothed(pd.Series([1.0, 2.0, 6.0, 4.0]), 3)) == [1.0, 1.5, 3.0, 4.0]
