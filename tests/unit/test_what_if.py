"""What what_if says: jobs, reasons, hours, what is no longer used; and that it writes nothing."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from othink_mr1.config.load import checked_study
from othink_mr1.config.read_yaml import Document, read_documents
from othink_mr1.errors import UserError
from othink_mr1.study.config_changes import Change, changed_study, differences, parse_change
from othink_mr1.study.what_if import WhatIf, what_if, what_if_lines, what_if_list
from placeholder_results import HOURS_PER_STEP, write_placeholders

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = REPOSITORY / "workflow_scripts"
PAPER = REPOSITORY / "config.yaml"
RATE = "methods.grpo.learning_rate: 1e-06 → 2e-06"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("complete") / "results"
    write_placeholders(checked_study(paper(root)), root)
    return root


def paper(results: Path) -> Document:
    return read_documents([PAPER], {"results": str(results)})


def supposed(results: Path, *changes: str) -> WhatIf:
    return what_if(paper(results), [parse_change(text) for text in changes])


def listing(root: Path) -> dict[Path, float]:
    return {path: path.lstat().st_mtime for path in root.rglob("*")}


def test_nothing_is_to_be_done_and_nothing_is_written(results: Path) -> None:
    before = listing(results)
    found = supposed(results)
    assert found.planned == []
    last = "nothing would run: every exhibit is up to date, and the results of 110 jobs are there"
    assert list(what_if_lines(found)) == [last]
    supposed(results, "methods.grpo.learning_rate=2e-6")
    assert listing(results) == before


def test_a_change_is_the_reason_of_all_that_it_makes_run(results: Path) -> None:
    found = supposed(results, "methods.grpo.learning_rate=2e-6")
    assert found.changes == [RATE]
    assert {entry.reason for entry in found.planned} == {RATE}
    lines = list(what_if_lines(found))
    assert lines[0] == RATE
    assert "train: 13 of 15" in lines
    assert not any(line.startswith(("download", "prepare")) for line in lines)
    assert found.unused[0].startswith("runs/counting-grpo-")
    assert sum(name.startswith("runs/") for name in found.unused) == 13


def test_hours_are_those_of_like_runs_by_their_steps(results: Path) -> None:
    (train, generate) = supposed(results, "methods.grpo-d.by_task.geometry.steps=2000").estimates
    assert (train.stage, train.likened, train.bounded) == ("train", 1, 0)
    assert train.hours == pytest.approx(2000 * HOURS_PER_STEP)
    assert train.line() == "train: about 2 GPU-hours by the manifests of like ones"
    assert (generate.likened, generate.bounded, generate.at_most) == (0, 1, 8)
    assert "at most 8 GPU-hours by execution.generate.hours" in generate.line()


def test_runs_on_another_device_are_not_alike(results: Path) -> None:
    changes = ("methods.sft.learning_rate=1e-5", "execution.train.device=cpu", "execution.train.gpus=0")
    train = supposed(results, *changes).estimates[0]
    assert (train.likened, train.bounded, train.unit) == (0, 2, "hours of one job at a time")


def test_each_of_two_changes_is_told_from_the_other(results: Path) -> None:
    found = supposed(results, "methods.sft.learning_rate=1e-5", "tasks.counting.max_new_tokens=300")
    reasons = {entry.job.name: entry.reason for entry in found.planned}
    longer = "tasks.counting.max_new_tokens: 256 → 300"
    slower = "methods.sft.learning_rate: 2e-05 → 1e-05"
    assert {reasons[name] for name in reasons if name.startswith("train_sft/")} == {slower}
    assert "collect_study/kl_weight_sweep" not in reasons
    generated = [name for name in reasons if name.startswith("generate_answers/counting-grpo-alpha1")]
    assert {reasons[name] for name in generated} == {longer}
    assert reasons["collect_study/same_task"] == f"{slower}; {longer}"


def test_an_edited_config_names_the_nearest_run(results: Path) -> None:
    """No supposed change: config.yaml itself says something else than the results."""
    document = read_documents(
        [PAPER], {"results": str(results), "methods": {"sft": {"learning_rate": "1e-5"}}}
    )
    found = what_if(document, [])
    (counting,) = [entry for entry in found.planned if entry.job.name.startswith("train_sft/counting")]
    assert counting.reason.startswith("learning_rate: 2e-05 → 1e-05, from runs/counting-sft-s42-")
    (csv,) = [entry for entry in found.planned if entry.job.name == "collect_study/same_task"]
    assert csv.reason == "was made of other results"


def test_the_list_has_rule_outputs_and_reason(results: Path) -> None:
    lines = [line.split("\t") for line in what_if_list(supposed(results, "seeds=[42, 43]"))]
    assert sum(rule.startswith("train_") for rule, _, _ in lines) == 15
    assert ["seeds: [42] → [42, 43]"] * len(lines) == [reason for _, _, reason in lines]
    assert all(outputs.split() for _, outputs, _ in lines)


def test_what_is_gone_and_not_needed_is_told(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "results", symlinks=True)
    shutil.rmtree(next((tmp_path / "results" / "runs").glob("counting-sft-*")))
    found = supposed(tmp_path / "results")
    assert found.planned == []
    assert list(what_if_lines(found))[1:] == [
        "the results of 1 jobs are not there, and no exhibit needs them now"
    ]


def test_an_empty_results_folder_lacks_everything(tmp_path: Path) -> None:
    found = supposed(tmp_path / "nowhere")
    assert len(found.planned) == 110
    assert not (tmp_path / "nowhere").exists()
    assert {entry.reason for entry in found.planned} == {"is not there"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("methods.grpo.learning_rat=1", "did you mean learning_rate?"),
        ("methods.gpro.learning_rate=1", "did you mean grpo?"),
        ("sede=[1]", "did you mean seeds?"),
        ("methods.grpo.learning_rate=fast", "Input should be a valid number, got 'fast'"),
        ("seeds=42", "Input should be a valid list"),
        ("seeds.x=1", "seeds is a value"),
        ("preparation.max_pixels=1.5", "Input should be a valid integer"),
        ("tasks.geometry.train=geoqa", "did you mean geoqa_"),
        ("tasks.geometry.test_prompt={question} now", "needs quotes"),
        ("seeds", "must be a path, =, and a value"),
        ("=1", "must be a path, =, and a value"),
    ],
)
def test_a_wrong_change_ends_in_one_line(tmp_path: Path, change: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        supposed(tmp_path, change)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("--set")


@pytest.mark.parametrize(
    ("change", "path", "value"),
    [
        ("methods.grpo.learning_rate=1e-6", None, None),  # as it is
        ("methods.sft.by_task.counting.steps=5000", "methods.sft.by_task.counting.steps", 5000),
        ("studies.kl_weight_sweep.vary.kl_schedule.weight=[0.1]", None, [0.1]),
        ("tasks.geometry.test_prompt='{question} now'", "tasks.geometry.test_prompt", "{question} now"),
        ("methods.grpo.reward_scorer=exact", "methods.grpo.reward_scorer", "exact"),
    ],
)
def test_values_are_yaml_at_dotted_paths(change: str, path: str | None, value: Any) -> None:
    document = read_documents([PAPER])
    found = differences(checked_study(document), changed_study(document, [parse_change(change)]))
    expected = [path or change.partition("=")[0]] if value is not None else []
    assert list(found) == expected
    assert [new for _, new in found.values()] == ([value] if expected else [])


def test_a_change_takes_the_place_of_what_is_there() -> None:
    document = read_documents([PAPER])
    schedule = {"kind": "constant", "weight": 0.5}
    changed = changed_study(document, [Change("methods.grpo-d.kl_schedule", schedule), BY_TASK])
    assert changed.methods["grpo-d"]["kl_schedule"] == schedule


BY_TASK = Change("methods.grpo-d.by_task", {})


def test_it_is_quick_and_loads_neither_torch_nor_snakemake() -> None:
    command = [sys.executable, "-X", "importtime", str(SCRIPTS / "what_if.py"), "--set", "seeds=[1]"]
    started = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert time.monotonic() - started < 3
    assert "train: 15 of 15" in done.stdout
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "pydantic" in imported
    assert not imported & {"torch", "snakemake", "transformers", "pandas"}
