"""Manifests: read as they were written, and no byte of them can change unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.artefacts.manifests import (
    manifest_beside,
    manifest_text,
    parse_manifest,
    read_manifest,
    seal,
    write_sealed_text,
)
from othink_mr1.artefacts.verification import verify_sealed
from othink_mr1.errors import UserError

FACTS = {"device": "cpu", "ε": 1e-6, "steps": [1, 2], "unusable": {"no | answer": 1}, "revision": None}
FILES = {"metrics.csv": {"bytes": 7, "sha256": "ab" * 32}}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    write_text(tmp_path / "manifest.json", manifest_text(FACTS, FILES))
    return tmp_path / "manifest.json"


def test_a_manifest_is_read_as_it_was_written(manifest: Path) -> None:
    assert read_manifest(manifest.parent) == {**FACTS, "files": FILES}
    assert len(json.loads(manifest.read_text())["manifest_sha256"]) == 64


@pytest.mark.parametrize("change", [0x01, 0x07, 0x20, 0x80, 0xFF])
def test_every_byte_counts(manifest: Path, change: int) -> None:
    """Each byte is changed alone: one bit, a line end into another kind, a letter's case, to no UTF-8."""
    whole = manifest.read_bytes()
    unseen = []
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= change
        manifest.write_bytes(damaged)
        message = refusal(manifest.parent)
        # In the key of the digest it looks like a manifest of an earlier version, which had none.
        ends = ("; delete it and run snakemake again", "or another results folder with this one")
        if not (message.startswith(f"{manifest}: ") and message.endswith(ends)):
            unseen.append((place, bytes(damaged[place - 10 : place + 10])))
        assert "\n" not in message
    assert unseen == []


def refusal(folder: Path) -> str:
    """What is said of a folder's manifest; empty if it is accepted."""
    try:
        read_manifest(folder)
    except UserError as error:
        return str(error)
    return ""


def test_every_truncation_is_seen(manifest: Path) -> None:
    whole = manifest.read_bytes()
    for length in range(len(whole)):
        manifest.write_bytes(whole[:length])
        with pytest.raises(UserError, match="delete it and run snakemake again"):
            read_manifest(manifest.parent)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: json.dumps(json.loads(text)),
        lambda text: text + "\n",
        lambda text: text.replace('"device": "cpu"', '"device": "cpu",\n  "device": "cpu"'),
        lambda text: text.replace("cpu", "gpu"),
        lambda text: "[]",
        lambda text: "[" * 100_000,
    ],
)
def test_other_texts_are_refused(manifest: Path, change) -> None:
    manifest.write_bytes(change(manifest.read_text()).encode())
    with pytest.raises(UserError, match="delete it and run snakemake again"):
        read_manifest(manifest.parent)


def test_a_folder_without_a_manifest_is_incomplete(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_manifest(tmp_path)
    assert str(caught.value) == f"{tmp_path}: incomplete, it has no manifest.json; run snakemake to make it"


def test_a_manifest_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(UserError, match=r"manifest\.json: cannot be read \(Is a directory\); check its perm"):
        read_manifest(tmp_path)


def test_the_remedy_is_the_readers(manifest: Path) -> None:
    manifest.write_text("{")
    with pytest.raises(UserError, match=r"is no JSON, the file was damaged; ask$"):
        parse_manifest(manifest, "ask")


@pytest.mark.parametrize("levels", [500, 100_000])
def test_a_manifest_of_many_levels_is_one_line(manifest: Path, levels: int) -> None:
    manifest.write_text('{"files": {}, "manifest_sha256": "", "a": ' + "[" * levels + "]" * levels + "}")
    with pytest.raises(UserError, match=r"; ask$"):
        parse_manifest(manifest, "ask")


def test_a_single_file_has_its_manifest_hidden_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "scores" / "r1v-1.csv"
    write_sealed_text(file, "id\n1\n")
    assert manifest_beside(file) == tmp_path / "scores" / ".r1v-1.csv.manifest.json"
    assert sorted(path.name for path in file.parent.iterdir()) == [".r1v-1.csv.manifest.json", "r1v-1.csv"]
    verify_sealed(file)
    write_sealed_text(file, "id\n2\n")
    verify_sealed(file)
    file.write_text("id\n3\n")
    seal(file)
    verify_sealed(file)
