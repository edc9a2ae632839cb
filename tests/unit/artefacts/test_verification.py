"""Comparing artefacts with their manifests: all damage is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from damage import flip, truncate

from othink_mr1.artefacts import verification
from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.artefacts.atomic_files import sha256_of, write_text
from othink_mr1.artefacts.manifests import manifest_beside, write_sealed_text
from othink_mr1.artefacts.verification import (
    contents_digest,
    faults,
    mark_of,
    verify_file,
    verify_folder,
    verify_part,
    verify_sealed,
)
from othink_mr1.errors import UserError

Damage = Callable[[Path], None]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    write_text(tmp_path / "set" / "data" / "train.parquet", "rows")
    write_text(tmp_path / "set" / "data" / "manifest.json", "{}")
    write_text(tmp_path / "set" / "notes.csv", "notes")
    write_manifest(tmp_path / "set")
    return tmp_path / "set"


def test_a_manifest_below_the_folders_own_is_a_file_like_others(finished: Path) -> None:
    assert set(verify_folder(finished)["files"]) == {"data/manifest.json", "data/train.parquet", "notes.csv"}
    (finished / "data" / "manifest.json").write_text("[]")
    with pytest.raises(UserError, match=r"data/manifest\.json: its sha256 is not the manifest's"):
        verify_folder(finished)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, "bytes, the manifest says"),
        (flip, "its sha256 is not the manifest's, the file was damaged"),
        (Path.unlink, "missing, though the manifest lists it"),
    ],
)
@pytest.mark.parametrize("name", ["data/train.parquet", "notes.csv"])
def test_damage_names_the_file_and_what_to_delete(
    finished: Path, name: str, damage: Damage, said: str
) -> None:
    damage(finished / name)
    with pytest.raises(UserError) as caught:
        verify_folder(finished)
    message = str(caught.value)
    assert message.startswith(f"{finished / name}: ")
    assert said in message
    assert message.endswith(
        f"; restore it from a copy, or delete {finished}, to have all of that made anew, and run snakemake "
        "again"
    )


def test_all_faults_are_listed_and_every_file_is_told(finished: Path) -> None:
    manifest = verify_folder(finished)
    flip(finished / "notes.csv")
    (finished / "data" / "train.parquet").unlink()
    write_text(finished / "stray", "x")
    sizes: list[int] = []
    found = [str(fault).split(": ")[1] for fault in faults(finished, manifest, sizes.append)]
    assert [fault.split(",")[0] for fault in found] == [
        f"is not listed in {finished}/manifest.json",
        "missing",
        "its sha256 is not the manifest's",
    ]
    assert sorted(sizes) == [2, 4, 5]


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


def test_a_disk_that_fails_to_read_is_one_line(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(path: Path) -> str:
        raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(verification, "sha256_of", broken)
    with pytest.raises(UserError, match=r"data/.*: cannot be read \(Input/output error\); check its"):
        verify_folder(finished)
    with pytest.raises(UserError, match=r"notes\.csv: cannot be read \(Input/output error\); check its"):
        verify_file(finished / "notes.csv")


def test_a_part_is_compared_alone(finished: Path) -> None:
    flip(finished / "notes.csv")
    digests = {name: sha256_of(finished / "data" / name) for name in ("manifest.json", "train.parquet")}
    assert verify_part(finished, "data") == digests
    write_text(finished / "data" / "stray", "x")
    with pytest.raises(UserError, match="data/stray: is not listed"):
        verify_part(finished, "data")
    with pytest.raises(UserError, match=r"its manifest\.json lists nothing in checkpoint/"):
        verify_part(finished, "checkpoint")


def test_one_file_is_compared_alone(finished: Path) -> None:
    flip(finished / "data" / "train.parquet")
    assert verify_file(finished / "notes.csv") == sha256_of(finished / "notes.csv")
    with pytest.raises(UserError, match=r"stray: is not listed in .*manifest\.json"):
        verify_file(finished / "stray")


def test_a_file_of_an_unfinished_folder_is_not_read(tmp_path: Path) -> None:
    write_text(tmp_path / "set" / "examples.parquet", "half")
    mark_of(tmp_path / "set").touch()
    with pytest.raises(UserError, match=r"set: incomplete, it has no manifest\.json"):
        verify_file(tmp_path / "set" / "examples.parquet")


def test_a_file_of_somebodys_own_is_merely_read(tmp_path: Path) -> None:
    write_text(tmp_path / "mine.parquet", "rows")
    assert verify_file(tmp_path / "mine.parquet") == sha256_of(tmp_path / "mine.parquet")
    with pytest.raises(UserError, match=r"none: there is no such file; run snakemake to make it"):
        verify_file(tmp_path / "none")
    with pytest.raises(UserError, match=r"cannot be read \(Is a directory\)"):
        verify_file(tmp_path)


def test_the_digest_of_contents_depends_on_names_and_contents_alone() -> None:
    files = {"a": "1", "b": "2"}
    assert contents_digest(files) == contents_digest(dict(reversed(files.items())))
    assert (
        len({contents_digest(f) for f in (files, {"a": "2", "b": "1"}, {"a": "1"}, {"c": "1", "b": "2"})})
        == 4
    )


def test_the_manifest_of_another_file(tmp_path: Path) -> None:
    table, other = tmp_path / "t.csv", tmp_path / "u.csv"
    for number, path in enumerate((table, other)):
        write_sealed_text(path, f"id\n{number}\n")
    manifest_beside(other).rename(manifest_beside(table))
    with pytest.raises(UserError, match="is of another file"):
        verify_sealed(table)
