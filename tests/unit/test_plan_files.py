"""Plan files: older than the exhibit exactly if that was made of this plan, whatever the files' times are."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from othink_mr1.study.plan_files import plan_file, record_of, write_plan

A, B = {"a": 1}, {"a": 2}


def exhibit(results: Path, record: object = None) -> Path:
    csv = results / "x.csv"
    csv.write_text("made\n")
    if record is not None:
        path = results / "made_of" / "x.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(record))
    return csv


def settle(results: Path, plan: dict[str, int]) -> float:
    """Write the plan; returns when its file was written last."""
    write_plan(results, "x", plan, ["x.csv"])
    path = plan_file(results, "x")
    assert json.loads(path.read_text()) == plan
    return path.stat().st_mtime


def test_a_plan_without_an_exhibit_is_written_once(tmp_path: Path) -> None:
    settle(tmp_path, A)
    os.utime(plan_file(tmp_path, "x"), (1, 1))
    assert settle(tmp_path, A) == 1


@pytest.mark.parametrize("seconds", [-1e6, 0, 1e6])  # the exhibit's clock against ours
def test_newer_than_an_exhibit_of_another_plan(tmp_path: Path, seconds: float) -> None:
    then = time.time() + seconds
    for record in (B, None):
        csv = exhibit(tmp_path, record)
        os.utime(csv, (then, then))
        first = settle(tmp_path, A)
        assert first > then
        assert settle(tmp_path, A) == first


@pytest.mark.parametrize("touched", [0, 1e6])
def test_older_than_an_exhibit_of_this_plan(tmp_path: Path, touched: float) -> None:
    csv = exhibit(tmp_path, A)
    os.utime(csv, (1, 1))
    settle(tmp_path, A)
    then = time.time() + touched
    os.utime(plan_file(tmp_path, "x"), (then, then))
    assert settle(tmp_path, A) < 1


def test_there_and_back(tmp_path: Path) -> None:
    """A plan of B was written, but its exhibit never made: that of A is as good as it was."""
    csv = exhibit(tmp_path, A)
    settle(tmp_path, A)
    assert settle(tmp_path, B) > csv.stat().st_mtime
    assert settle(tmp_path, A) < csv.stat().st_mtime


def test_damaged_records_and_plans_count_as_absent(tmp_path: Path) -> None:
    csv = exhibit(tmp_path, A)
    (tmp_path / "made_of" / "x.json").write_text("{")
    settle(tmp_path, A)
    plan_file(tmp_path, "x").write_text("{")
    assert record_of(tmp_path, "x") is None
    assert settle(tmp_path, A) > csv.stat().st_mtime
