"""Learning is real: what `make mini` found, read from its results. Fails in CI where there are none."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

pytestmark = pytest.mark.miniature

RESULTS = Path(__file__).parents[2] / "results" / "mini"
TASKS = ("counting", "geometry")


@pytest.fixture(scope="module")
def same_task() -> pd.DataFrame:
    path = RESULTS / "same_task.csv"
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{path} is missing: CI runs make mini first")
        pytest.skip("make mini has not been run here")
    return pd.read_csv(path)


def row(frame: pd.DataFrame, method: str, task: str) -> pd.Series:
    found = frame[(frame.method == method) & (frame.tested_on == task)]
    assert len(found) == 1
    return found.iloc[0]


def test_test_sets_are_large_enough(same_task: pd.DataFrame) -> None:
    sizes = same_task.groupby("tested_on")["items"].min()
    assert sizes["counting"] >= 200
    assert sizes["geometry"] >= 500


@pytest.mark.parametrize(("task", "low", "high"), [("counting", 0.25, 0.60), ("geometry", 0.20, 0.40)])
def test_base_has_some_skill(same_task: pd.DataFrame, task: str, low: float, high: float) -> None:
    assert low <= row(same_task, "base", task).r1v_accuracy <= high


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("method", ["sft", "grpo", "grpo-d"])
def test_every_method_beats_base_on_its_own_task(same_task: pd.DataFrame, method: str, task: str) -> None:
    base, trained = row(same_task, "base", task), row(same_task, method, task)
    assert trained.r1v_low > base.r1v_high, (
        f"{method} on {task}: {trained.r1v_accuracy:.3f} [{trained.r1v_low:.3f}, {trained.r1v_high:.3f}], "
        f"base {base.r1v_accuracy:.3f} [{base.r1v_low:.3f}, {base.r1v_high:.3f}]"
    )


def test_base_mostly_follows_the_format(same_task: pd.DataFrame) -> None:
    base = same_task[same_task.method == "base"]
    assert (base.format_accuracy > 0.5).all()
