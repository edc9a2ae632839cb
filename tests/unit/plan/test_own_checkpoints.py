"""Checkpoints of others as rows: methods without training that have weights of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan import tables
from othink_mr1.plan.data import hub_downloads, used_backbones
from othink_mr1.plan.evaluations import evaluations
from othink_mr1.plan.exhibits import study_plan
from othink_mr1.plan.folders import backbone_folder
from othink_mr1.plan.runs import all_runs
from repository import study

HUB = {"kind": "hub", "repository": "them/grpo-counting", "revision": "a" * 40}
LOCAL = {"kind": "local", "path": "/models/mine", "sha256": "b" * 64}


def with_theirs(weights: dict[str, Any] = HUB, **method: Any) -> StudyConfig:
    methods = ["base", "sft", "grpo", "grpo-d", "theirs"]
    return study(
        backbones={"their-weights": weights},
        methods={"theirs": {"trainer": "none", "backbone": "their-weights", **method}},
        studies={"same_task": {"methods": methods}, "cross_task": {"methods": methods}},
    )


@pytest.mark.parametrize(
    ("trained_on", "own", "other"),
    [
        (None, ["counting", "geometry"], ["counting", "geometry"]),
        ("counting", ["counting"], ["geometry"]),
    ],
)
def test_it_is_tested_as_what_others_trained_it_on(
    trained_on: str | None, own: list[str], other: list[str]
) -> None:
    config = with_theirs(trained_on=trained_on)
    for name, tested in (("same_task", own), ("cross_task", other)):
        rows = [row for row in study_plan(config, name)["evaluations"] if row["method"] == "theirs"]
        assert [row["tested_on"] for row in rows] == tested
        for row in rows:
            # Beside the study's own backbone, and without seeds or leaks: its training data are not known.
            assert (row["backbone"], row["trained_on"]) == ("qwen2_vl_2b_instruct", trained_on)
            assert (row["seed"], row["steps"], row["leaks"]) == (None, 0, None)


def test_its_answers_are_made_of_its_own_weights() -> None:
    config = with_theirs()
    folder = backbone_folder(config, "their-weights")
    made_of = {row.checkpoint: row.made_of for row in tables.answers(config)["same_task"]}
    (name,) = [name for name in made_of if name.startswith("their-weights-")]
    assert made_of[name] == folder
    assert "their-weights" in used_backbones(config)
    assert hub_downloads(config)[folder] == ("model", "them/grpo-counting", "a" * 40)
    assert all(not run.name.startswith("their") for run in all_runs(config) if run.trained)


def test_it_changes_nothing_of_the_study() -> None:
    names = {run.name for run in all_runs(study())}
    assert names < {run.name for run in all_runs(with_theirs())}


def test_a_local_folder_has_the_identity_of_its_content() -> None:
    moved = with_theirs(LOCAL | {"path": "/elsewhere"})
    assert backbone_folder(with_theirs(LOCAL), "their-weights") == backbone_folder(moved, "their-weights")
    other = with_theirs(LOCAL | {"sha256": "c" * 64})
    assert backbone_folder(with_theirs(LOCAL), "their-weights") != backbone_folder(other, "their-weights")
    row = tables.backbones(moved)[Path(backbone_folder(moved, "their-weights")).name]
    assert (row.kind, row.content) == ("local", "b" * 64)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ({"backbone": "their_weights"}, "methods.theirs.backbone: unknown backbone 'their_weights'; did you"),
        ({"trained_on": "charts"}, "methods.theirs.trained_on: unknown task 'charts'"),
        ({"backbone": None, "trained_on": "counting"}, "methods.theirs.trained_on: needs `backbone`"),
    ],
)
def test_mistakes_are_named(method: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        with_theirs(**method)
    assert said in str(caught.value)


def test_its_evaluations_come_after_the_study_s_own() -> None:
    found = [one.run.method for one in evaluations(with_theirs(), "same_task")]
    assert found[:2] == ["base"] * 2
    assert found[-2:] == ["theirs"] * 2
