"""What is refused before work starts on a results root."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from othink_mr1.artefacts.start_checks import refuse_future, refuse_links
from othink_mr1.errors import UserError

DAY = 86400


@pytest.mark.parametrize(
    "place",
    [
        "runs",
        "runs/geometry-sft",
        "runs/.geometry-sft.states",
        "runs/geometry-sft/checkpoint-50",
        "answers/geometry-sft",
        "answers/geometry-sft/geometry",
        "data/set/examples.parquet",
        "raw/set",
        "backbones/b",
        "scores/geometry-sft/geometry",
        "plans",
        "logs",
    ],
)
def test_a_link_below_the_root(tmp_path: Path, place: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "results" / place
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(UserError, match=f"{link}: is a link"):
        refuse_links(tmp_path / "results")
    link.unlink()
    link.symlink_to("nothing")
    with pytest.raises(UserError, match="is a link"):
        refuse_links(tmp_path / "results")


def test_the_root_itself_and_what_is_not_the_studys_may_be_links(tmp_path: Path) -> None:
    (tmp_path / "scratch/runs/one").mkdir(parents=True)
    (tmp_path / "scratch/mini").symlink_to(tmp_path)
    (tmp_path / "results").symlink_to("scratch")
    refuse_links(tmp_path / "results")


def test_a_result_from_the_future(tmp_path: Path) -> None:
    file = tmp_path / "same_task.csv"
    file.touch()
    os.utime(file, (time.time() + 2 * DAY,) * 2)
    with pytest.raises(UserError, match=rf"{file}: its time is 2 days in the future.*touch -d now {file}"):
        refuse_future([tmp_path / "not_there.csv", file])


def test_a_clock_two_minutes_ahead(tmp_path: Path) -> None:
    file = tmp_path / "same_task.csv"
    file.touch()
    os.utime(file, (time.time() + 120,) * 2)
    refuse_future([file])
    assert file.stat().st_mtime <= time.time()
