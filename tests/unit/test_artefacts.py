"""Artefact folders: complete or absent, and nothing of the user's is ever emptied."""

from __future__ import annotations

from pathlib import Path

import pytest

from othink_mr1.errors import UserError
from othink_mr1.study import artefacts
from othink_mr1.study.artefacts import (
    finish_folder,
    read_manifest,
    start_folder,
    verify_folder,
    write_text,
    written_aside,
)


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


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    write_text(tmp_path / "set" / "data" / "train.parquet", "rows")
    write_text(tmp_path / "set" / "data" / "manifest.json", "{}")
    finish_folder(tmp_path / "set")
    return tmp_path / "set"


def test_a_manifest_below_the_folders_own_is_a_file_like_others(finished: Path) -> None:
    assert set(verify_folder(finished)["files"]) == {"data/manifest.json", "data/train.parquet"}
    (finished / "data" / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match=r"data/manifest\.json: its sha256 is not the manifest's"):
        verify_folder(finished)


@pytest.mark.parametrize("name", ["train-stray.parquet", "data/more/stray.txt", "data/link"])
def test_a_file_that_the_manifest_does_not_list_is_refused(finished: Path, name: str) -> None:
    stray = finished / name
    stray.parent.mkdir(exist_ok=True)
    if name.endswith("link"):
        stray.symlink_to(finished / "data")
    else:
        stray.write_text("rows")
    with pytest.raises(UserError) as caught:
        verify_folder(finished)
    assert str(caught.value) == (
        f"{stray}: is not listed in {finished}/manifest.json, so it did not come with the others; "
        "move it out of this folder"
    )


def test_hidden_files_and_empty_folders_of_other_tools_do_no_harm(finished: Path) -> None:
    for name in (".nfs0001", "data/.DS_Store", ".cache/train.parquet"):
        write_text(finished / name, "x")
    (finished / "empty").mkdir()
    verify_folder(finished)


def test_a_manifest_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(UserError, match=r"manifest\.json: cannot be read \(Is a directory\); check its perm"):
        read_manifest(tmp_path)


def test_a_disk_that_fails_to_read_is_one_line(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> str:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(artefacts, "sha256_of", broken)
    with pytest.raises(UserError, match=r"data/.*: cannot be read \(Input/output error\); check its"):
        verify_folder(finished)
