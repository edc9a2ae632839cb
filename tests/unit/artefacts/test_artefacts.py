"""Artefact folders: complete or absent, made once, and nothing of the user's is ever emptied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.artefacts.one_writer import WriterLock
from othink_mr1.errors import UserError

IDENTITY = {"run": "a", "settings": {"steps": 3, "rate": 0.5}}


def fill(folder: Path, keep: bool = False, text: str = "step\n1\n") -> list[str]:
    """Fill a folder as a job does; returns the visible files that an earlier attempt left there."""
    with filling(folder, IDENTITY, keep) as artefact:
        left = visible(folder)
        if not artefact.complete:
            write_text(folder / "part" / "metrics.csv", text)
            artefact.finish(device="cpu")
    return left


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A complete folder."""
    fill(tmp_path / "run")
    return tmp_path / "run"


def test_a_finished_folder_has_a_manifest_of_its_files_identity_and_facts(run: Path) -> None:
    manifest = read_manifest(run)
    assert manifest["files"]["part/metrics.csv"]["bytes"] == 7
    assert {name: manifest[name] for name in IDENTITY} == IDENTITY
    assert manifest["device"] == "cpu"
    assert manifest["packages"]


def test_files_of_other_tools_are_not_listed(tmp_path: Path) -> None:
    with filling(tmp_path / "run", IDENTITY) as artefact:
        write_text(artefact.folder / ".nfs0001", "x")
        write_text(artefact.folder / ".cache" / "metrics.csv", "x")
        artefact.finish()
    assert read_manifest(tmp_path / "run")["files"] == {}


def test_digests_that_are_given_are_believed(tmp_path: Path) -> None:
    with filling(tmp_path / "run", IDENTITY) as artefact:
        for name in ("a", "b"):
            write_text(artefact.folder / name, "x")
        artefact.finish({"a": "0" * 64})
    files = read_manifest(tmp_path / "run")["files"]
    assert files["a"] == {"bytes": 1, "sha256": "0" * 64}
    assert files["b"]["sha256"] != "0" * 64


@pytest.mark.parametrize("keep", [False, True])
def test_what_an_interrupted_attempt_left(tmp_path: Path, keep: bool) -> None:
    folder = tmp_path / "run"
    # A block that ends without finish() is one that was interrupted.
    with filling(folder, IDENTITY, keep):
        write_text(folder / "half.csv", "1")
    assert not (folder / "manifest.json").exists()
    assert fill(folder, keep) == (["half.csv"] if keep else [])
    assert ("half.csv" in read_manifest(folder)["files"]) == keep


def test_a_complete_folder_is_accepted_and_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (run / "manifest.json").stat().st_mtime_ns
    assert fill(run, text="other") == ["manifest.json", "part"]
    assert capsys.readouterr().err == f"{run}: is complete already\n"
    assert (run / "manifest.json").stat().st_mtime_ns == before
    assert (run / "part" / "metrics.csv").read_text() == "step\n1\n"


@pytest.mark.parametrize("other", [{"run": "b"}, {"settings": {"steps": 4, "rate": 0.5}}, {"more": 1}])
def test_a_complete_folder_of_another_identity_is_refused(run: Path, other: dict[str, object]) -> None:
    with (
        pytest.raises(UserError) as caught,
        filling(run, {**IDENTITY, **other}),
    ):
        pytest.fail("it was given")
    (name,) = other
    assert str(caught.value) == (
        f"{run}: is complete already, but was made with another {name}; delete this "
        "folder to make it again, or write to another folder"
    )


@pytest.mark.parametrize("fault", ["file deleted", "file flipped", "manifest flipped"])
def test_a_damaged_folder_is_made_again(run: Path, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = run / "part" / "metrics.csv"
    if fault == "file deleted":
        metrics.unlink()
    elif fault == "file flipped":
        metrics.write_text("step\n2\n")
    else:
        manifest = run / "manifest.json"
        manifest.write_text(manifest.read_text().replace("cpu", "cpv"))
    assert fill(run, text="again") == []
    assert metrics.read_text() == "again"
    assert read_manifest(run)["device"] == "cpu"
    assert "damaged, is made again: " in capsys.readouterr().err


def test_a_stray_file_is_to_be_moved_and_nothing_is_made_again(run: Path) -> None:
    write_text(run / "stray", "x")
    with pytest.raises(UserError, match=r"stray: is not listed in .*; move it out of this folder"):
        fill(run, text="again")
    (run / "stray").unlink()
    fill(run, text="again")
    assert (run / "part" / "metrics.csv").read_text() == "step\n1\n"


def test_a_deleted_folder_is_made_again(run: Path) -> None:
    shutil.rmtree(run)
    fill(run, text="again")
    assert (run / "part" / "metrics.csv").read_text() == "again"


@pytest.mark.parametrize("keep", [False, True])
def test_a_folder_with_other_files_is_left_alone(tmp_path: Path, keep: bool) -> None:
    thesis = tmp_path / "home" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("words")
    with pytest.raises(UserError, match="or choose another folder"):
        fill(tmp_path / "home", keep)
    assert thesis.read_text() == "words"
    assert visible(tmp_path / "home") == ["thesis.txt"]


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    fill(tmp_path / "run")
    assert visible(tmp_path / "run") == ["manifest.json", "part"]


def test_one_that_was_taken_over_writes_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def overtaken(lock: WriterLock) -> None:
        raise UserError("another one took over")

    monkeypatch.setattr(WriterLock, "check", overtaken)
    with pytest.raises(UserError, match="took over"):
        fill(tmp_path / "run")
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_a_complete_folder_leaves_no_lock(run: Path) -> None:
    assert sorted(path.name for path in run.parent.iterdir()) == [".run.artefact", "run"]
