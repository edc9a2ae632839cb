"""What a change would run: as Snakemake says it, in a copy of the repository."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from othink_mr1.config.changes import change_as_overlay
from othink_mr1.config.load import load_study
from othink_mr1.cost.table import cost_table
from othink_mr1.errors import UserError
from othink_mr1.tools import what_if
from othink_mr1.tools.what_if import whole_cost
from repository import REPOSITORY, study
from snakemake_runs import copy_repository


def test_changes_become_an_overlay() -> None:
    changes = ["methods.grpo.learning_rate=2e-6", "methods.grpo.steps=5", "seeds=[1, 2]"]
    assert change_as_overlay(changes) == {
        "methods": {"grpo": {"learning_rate": 2e-6, "steps": 5}},
        "seeds": [1, 2],
    }


@pytest.mark.parametrize(
    "change",
    [
        *("learning_rate", "=1", "methods..x=1", "seeds=[1"),
        *("exhibits.note=2026-01-01", "exhibits.note=!!binary aGk=", "methods.grpo.steps=.inf"),
        *('exhibits.note="\\ud83d"', "exhibits.\udcff=1"),
    ],
)
def test_what_is_no_change(change: str) -> None:
    with pytest.raises(UserError, match="set "):
        change_as_overlay([change])


def test_a_change_has_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    notes = []

    def pending(overlays: Sequence[Path]) -> set[what_if.File]:
        notes.append(load_study([Path("config.yaml"), *overlays]).exhibits.note)
        return set()

    monkeypatch.setattr(what_if, "_pending", pending)
    list(what_if.what_if([], ["exhibits.note=ä 😀"]))
    assert notes == ["", "ä 😀"]


def test_a_wrong_change_is_not_named_after_a_file_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(what_if, "_pending", lambda overlays: set())
    with pytest.raises(UserError, match=r"^--config: methods.grpo.lerning_rate: unknown key 'lerning_rate'"):
        list(what_if.what_if([], ["methods.grpo.lerning_rate=2e-6"]))


def test_a_value_that_a_space_has_cut_is_told_so() -> None:
    with pytest.raises(UserError, match=r"set seeds=\[1,: .*; write lists without spaces"):
        change_as_overlay(["seeds=[1,", "2]"])


def test_a_value_within_a_value_is_refused() -> None:
    with pytest.raises(UserError, match=r"set seeds\.0=3: seeds is given a value of its own"):
        change_as_overlay(["seeds=5", "seeds.0=3"])


def test_the_cost_of_all_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(subprocess, "run", None)
    assert list(whole_cost([])) == list(cost_table(study()))
    assert list(whole_cost([Path("mini/study.yaml")])) == list(cost_table(study("mini/study.yaml")))


def test_a_seed_more_trains_that_seed_alone(tmp_path: Path) -> None:
    checkout = copy_repository(tmp_path)

    def ask(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "workflow_scripts/what_if.py", *arguments]
        return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=120)

    done = ask("--set", "seeds=[42,43]")
    assert done.returncode == 0, done.stderr
    after, _, no_longer = done.stdout.partition("no longer:")
    assert after.startswith("only after seeds=[42,43]: ")
    assert "train_sft                  2" in after
    assert "train_grpo                13" in after
    assert after.count("-s43-") == 15
    assert "-s42-" not in after
    # 15 trainings and the answers, each with one GPU for the hours that execution allows.
    assert "GPU-hours" in after
    # What that costs: of the new seed alone, then of the study with both seeds.
    assert re.search(r"^  geometry grpo +9 ", after, re.MULTILINE)
    assert re.search(r"^  all of these +44 ", after, re.MULTILINE)
    assert re.search(r"^  the whole study +90 ", after, re.MULTILINE)
    assert no_longer.startswith(" nothing")
    now = ask()
    assert now.stdout.startswith("now: ")
    assert now.stdout.count("-s42-") == 15
    assert re.search(r"^  all of these +46 ", now.stdout, re.MULTILINE)
    wrong = ask("--set", "methods.gpro.learning_rate=2e-6")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("error: ")
    assert "gpro" in wrong.stderr
    assert wrong.stderr.count("\n") == 1
