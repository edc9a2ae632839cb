"""Artefact folders: complete or absent, and nothing of the user's is ever emptied."""

from __future__ import annotations

from pathlib import Path

import pytest

from othink_mr1.errors import UserError
from othink_mr1.study.artefacts import finish_folder, read_manifest, start_folder, write_text, written_aside


def test_a_finished_folder_has_a_manifest_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    start_folder(folder)
    write_text(folder / "part" / "metrics.csv", "step\n1\n")
    finish_folder(folder, device="cpu")
    manifest = read_manifest(folder)
    assert manifest["device"] == "cpu"
    assert manifest["files"]["part/metrics.csv"]["bytes"] == 7


def test_what_an_interrupted_attempt_left_is_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    start_folder(folder)
    (folder / "half.csv").write_text("1")
    start_folder(folder)
    assert list(folder.iterdir()) == []


def test_a_complete_folder_is_not_made_again(tmp_path: Path) -> None:
    start_folder(tmp_path / "run")
    finish_folder(tmp_path / "run")
    with pytest.raises(UserError, match="complete already"):
        start_folder(tmp_path / "run")


def test_a_folder_whose_manifest_was_deleted_is_made_again(tmp_path: Path) -> None:
    start_folder(tmp_path / "run")
    write_text(tmp_path / "run" / "metrics.csv", "1")
    finish_folder(tmp_path / "run")
    (tmp_path / "run" / "manifest.json").unlink()
    start_folder(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    thesis = tmp_path / "home" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("words")
    with pytest.raises(UserError, match="choose another folder"):
        start_folder(tmp_path / "home")
    assert thesis.read_text() == "words"


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write_text(path, "old")

    def fail() -> None:
        with written_aside(path) as aside:
            aside.write_text("new")
            raise RuntimeError("disk")

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.csv"]
