"""What is read of a set is part of the prepared set's identity, not of the files'."""

from __future__ import annotations

from typing import Any

import pytest

from othink_mr1.plan.folders import data_folder, raw_folder
from repository import study

NAME = "geoqa_8k"
COLUMNS = {"image": "picture", "question": "q", "answer": "a"}


@pytest.mark.parametrize("change", [{"columns": COLUMNS}, {"split": "train"}, {"config": "small"}])
def test_another_choice_prepares_the_same_files_again(change: dict[str, Any]) -> None:
    changed = study(sources={NAME: change})
    assert raw_folder(changed, NAME) == raw_folder(study(), NAME)
    assert data_folder(changed, NAME) != data_folder(study(), NAME)


def test_what_is_the_default_changes_nothing() -> None:
    written = {"columns": {"image": "image", "question": "problem", "answer": "solution"}}
    assert data_folder(study(sources={NAME: written}), NAME) == data_folder(study(), NAME)


def test_a_local_set_is_known_by_content_and_choice() -> None:
    local = {"kind": "local", "path": "/a", "sha256": "a" * 64}
    folders = {
        data_folder(study(sources={"mine": local | change}), "mine")
        for change in ({}, {"path": "/b"}, {"sha256": "b" * 64}, {"split": "val"}, {"columns": COLUMNS})
    }
    assert len(folders) == 4
