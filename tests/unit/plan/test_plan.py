"""The plan: what each exhibit is made of."""

from __future__ import annotations

from othink_mr1.plan import exhibits as plan
from othink_mr1.plan.evaluations import all_evaluations
from othink_mr1.plan.runs import all_runs
from repository import study

PAPER = study()


def pairs_of(name: str) -> set[tuple[str, str | None, str, int | None]]:
    return {
        (entry.run.method, entry.run.task, entry.tested_on, entry.step)
        for entry in plan.evaluations(PAPER, name)
    }


def test_same_task_tests_on_the_task_trained_on() -> None:
    expected = {(method, task, task, None) for method in ("sft", "grpo", "grpo-d") for task in PAPER.tasks}
    assert pairs_of("same_task") == expected | {("base", None, task, None) for task in PAPER.tasks}


def test_cross_task_tests_on_the_other_task() -> None:
    pairs = (("counting", "geometry"), ("geometry", "counting"))
    expected = {(method, *pair, None) for method in ("sft", "grpo", "grpo-d") for pair in pairs}
    assert pairs_of("cross_task") == expected | {("base", None, task, None) for task in PAPER.tasks}


def test_curves_test_every_checkpoint_on_geometry() -> None:
    assert {step for method, *_, step in pairs_of("learning_curves") if method == "grpo"} == {
        100,
        250,
        500,
        750,
        None,
    }


def test_sweep_only_runs_are_tested_on_their_own_task_only() -> None:
    tested: dict[str, set[str]] = {}
    for entry in all_evaluations(PAPER):
        tested.setdefault(entry.checkpoint, set()).add(entry.tested_on)
    both = {name for name, tasks in tested.items() if len(tasks) == 2}
    assert len(both) == 7  # base and six runs of table 1
    assert all(tasks == {"geometry"} for name, tasks in tested.items() if name not in both)


def test_exhibits_whose_study_is_missing_are_left_out() -> None:
    fewer = PAPER.model_copy(update={"studies": {"cross_task": PAPER.studies["cross_task"]}})
    assert set(plan.figures(fewer)) == {"figure2", "figure7", "figure8"}
    assert not plan.has_claims(fewer)
    assert plan.collected_exhibits(fewer) == ["cross_task", "runs"]


def test_a_study_may_name_the_tasks_that_it_tests_on() -> None:
    direct = {"variant_of": "counting", "test_prompt": "{question} Directly."}
    tested_on = ["direct", "geometry"]
    grid = {"tasks": ["counting", "geometry"], "methods": ["base", "sft"], "tested_on": tested_on}
    config = study(tasks={"direct": direct}, studies={"mine": grid})
    found = {
        (entry.run.method, entry.run.task, entry.tested_on) for entry in plan.evaluations(config, "mine")
    }
    trained = {("sft", task, tested) for task in ("counting", "geometry") for tested in tested_on}
    assert found == trained | {("base", None, tested) for tested in tested_on}
    # The other studies, figure 2 and the data cards know nothing of it, and no run changes.
    for name in PAPER.studies:
        assert plan.study_plan(config, name) == plan.study_plan(PAPER, name)
    assert plan.examples_plan(config) == plan.examples_plan(PAPER)
    assert {run.name for run in all_runs(config)} == {run.name for run in all_runs(PAPER)}


def test_a_variant_with_a_training_set_of_its_own_can_be_trained_on() -> None:
    config = study("studies/clevr_70k.yaml")
    found = [entry for entry in plan.evaluations(config, "clevr_70k") if entry.run.task == "counting_70k"]
    assert {(entry.run.method, entry.tested_on) for entry in found} == {
        (method, task) for method in ("sft", "grpo", "grpo-d") for task in ("counting", "geometry")
    }
    assert {entry.run.settings.steps for entry in found} == {8750}
