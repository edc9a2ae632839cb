"""Runs and their identity: which there are, what moves a digest and what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from othink_mr1.config.load import load_study
from othink_mr1.config.study import StudyConfig
from othink_mr1.errors import UserError
from othink_mr1.plan import folders, versions
from othink_mr1.plan.identity import backbone_identity
from othink_mr1.plan.runs import all_runs, grid_runs
from repository import REPOSITORY
from repository import study as paper

PAPER = REPOSITORY / "config.yaml"
DIGESTS = REPOSITORY / "tests" / "paper_runs.txt"


def trained(config: StudyConfig) -> set[str]:
    return {run.name for run in all_runs(config) if run.trained}


def test_paper_study_is_fifteen_runs_with_known_digests() -> None:
    """A changed digest abandons GPU-weeks of results: it needs a line in CHANGELOG.md."""
    assert sorted(trained(paper())) == DIGESTS.read_text().split()
    assert len(trained(paper())) == 15


def test_runs_per_task_and_method() -> None:
    runs = [run for run in all_runs(paper()) if run.trained]
    counted = {
        (task, method): sum(run.task == task and run.method == method for run in runs)
        for task in ("counting", "geometry")
        for method in ("sft", "grpo", "grpo-d")
    }
    assert counted == {
        ("counting", "sft"): 1,
        ("counting", "grpo"): 1,
        ("counting", "grpo-d"): 1,
        ("geometry", "sft"): 1,
        ("geometry", "grpo"): 10,  # table 1, the β sweep at α 1 and the α sweep at β 0.04, shared points once
        ("geometry", "grpo-d"): 1,
    }


def test_sweeps_share_their_common_point_and_table_1() -> None:
    config = paper()
    formats = {run.name for run in grid_runs(config, "format_weight_sweep")}
    weights = {run.name for run in grid_runs(config, "kl_weight_sweep")}
    table = {run.name for run in grid_runs(config, "same_task")}
    assert len(formats) == 5
    assert len(weights) == 6
    assert len(formats & weights) == 1
    assert len(weights & table) == 1


def test_base_has_neither_task_nor_seed() -> None:
    base = [run for run in all_runs(paper(seeds=[1, 2])) if not run.trained]
    assert [(run.task, run.seed) for run in base] == [(None, None)]


def test_two_seeds_are_thirty_runs() -> None:
    assert len(trained(paper(seeds=[1, 2]))) == 30


def of(method: str, task: str = "") -> Callable[[str], bool]:
    def matches(name: str) -> bool:
        return name.startswith(task) and f"-{method}-" in name.replace("grpo-d-", "grpo_d-")

    return matches


@pytest.mark.parametrize(
    ("change", "affected"),
    [
        ({"methods": {"sft": {"learning_rate": "1e-5"}}}, of("sft")),
        ({"methods": {"grpo": {"learning_rate": "2e-6"}}}, lambda name: "grpo" in name),
        ({"methods": {"grpo-d": {"kl_schedule": {"maximum": "0.05"}}}}, of("grpo_d")),
        (
            {"tasks": {"counting": {"train_prompt": "{question} Count."}}},
            lambda name: name.startswith("counting"),
        ),
        ({"sources": {"geoqa_8k": {"revision": "a" * 40}}}, lambda name: name.startswith("geometry")),
        ({"preparation": {"max_pixels": "200704"}}, lambda name: True),
        ({"tasks": {"geometry": {"max_new_tokens": "512"}}}, lambda name: False),
        ({"tasks": {"geometry": {"test_prompt": "{question}"}}}, lambda name: False),
        ({"execution": {"train": {"row_tokens": "2"}}}, lambda name: False),
        ({"execution": {"train": {"save_every_minutes": "5"}}}, lambda name: False),
        ({"methods": {"grpo": {"checkpoint_precision": "bf16"}}}, lambda name: "grpo" in name),
        ({"methods": {"grpo": {"checkpoint_precision": "fp32"}}}, lambda name: False),
        ({"results": "elsewhere"}, lambda name: False),
        (
            {"sources": {"r1v_geoqa_prompts": {"base_url": "https://mirror.example"}}},
            lambda name: False,
        ),
    ],
)
def test_a_change_moves_exactly_the_affected_runs(
    change: dict[str, Any], affected: Callable[[str], bool]
) -> None:
    before, after = trained(paper()), trained(paper(**change))
    moved = {name for name in before if name not in after}
    assert moved == {name for name in before if affected(name)}
    assert len(after) == len(before)


def test_sweep_points_keep_their_names_when_the_usual_value_changes() -> None:
    """A name that left out what is usual would rename, and so retrain, runs that did not change."""
    moved = paper(
        methods={
            "grpo": {"format_weight": "0.5", "by_task": {"geometry": {"kl_schedule": {"weight": "0.02"}}}}
        }
    )
    for study in ("kl_weight_sweep", "format_weight_sweep"):
        assert [run.name for run in grid_runs(moved, study)] == [
            run.name for run in grid_runs(paper(), study)
        ]


def test_untagged_texts_move_a_backbone_and_none_leave_it() -> None:
    def identity(**share: float) -> dict[str, Any]:
        backbones = {"small_qwen2_vl": {"pretraining": {"counting": share}}}
        return backbone_identity(paper("tests/study.yaml", backbones=backbones), "small_qwen2_vl")

    assert set(identity()["pretraining"]["counting"]) == {"data", "prompt", "share"}
    assert identity(untagged=0.0) == identity() != identity(untagged=0.4)


def test_the_rewards_version_is_part_of_grpo_only(monkeypatch: pytest.MonkeyPatch) -> None:
    before = trained(paper())
    monkeypatch.setattr(versions, "REWARD", versions.REWARD + 1)
    moved = before - trained(paper())
    assert moved == {name for name in before if "grpo" in name}


def test_the_exact_rewards_version_moves_the_runs_that_train_on_it_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The published reward is r1v's: a changed exact scorer must not retrain what it has no part in."""
    exact = {"grpo": {"reward_scorer": "exact"}}
    before, before_exact = trained(paper()), trained(paper(methods=exact))
    monkeypatch.setattr(versions, "EXACT_REWARD", versions.EXACT_REWARD + 1)
    assert trained(paper()) == before
    moved = before_exact - trained(paper(methods=exact))
    assert moved == before_exact - before  # those of grpo; grpo-d has its own settings
    assert moved


def test_changing_back_finds_the_old_runs() -> None:
    assert trained(paper(methods={"grpo": {"learning_rate": "0.000001"}})) == trained(paper())


def test_generation_length_moves_answers_but_no_run() -> None:
    longer = paper(tasks={"geometry": {"max_new_tokens": "2048"}})
    assert folders.tested_task(longer, "geometry") != folders.tested_task(paper(), "geometry")
    assert folders.tested_task(longer, "counting") == folders.tested_task(paper(), "counting")


def test_key_order_and_number_spelling_do_not_matter(tmp_path: Path) -> None:
    text = PAPER.read_text()
    top, rest = text.split("seeds: [42]", 1)
    reordered = tmp_path / "config.yaml"
    reordered.write_text(
        top + rest.replace("format_weight: 1.0 ", "format_weight: 1 ", 1) + "\nseeds: [42]  # at the end\n"
    )
    assert trained(load_study([reordered])) == trained(paper())


def test_a_study_may_have_seeds_of_its_own() -> None:
    """Three seeds for one table, and one for the sweeps; a seed that both have is trained once."""
    config = paper(studies={"same_task": {"seeds": [42, 43]}})
    assert {run.seed for run in grid_runs(config, "same_task") if run.trained} == {42, 43}
    assert {run.seed for run in grid_runs(config, "kl_weight_sweep")} == {42}
    assert trained(paper()) < trained(config)
    assert len(trained(config)) == 15 + 6


def test_two_runs_of_one_name_are_refused() -> None:
    """Of the same data and settings, but another task and method: both would be described as one of them."""
    mine = {"tasks": ["geometry", "geometry-x"], "methods": ["sft", "x-sft"], "tested_on": "own"}
    config = paper(
        tasks={"geometry-x": paper().tasks["geometry"].model_dump(exclude_none=True)},
        methods={"x-sft": {"inherits": "sft"}},
        studies={"mine": mine},
    )
    with pytest.raises(
        UserError, match=r"^geometry-x by sft and geometry by x-sft: both runs are called geom"
    ):
        all_runs(config)
