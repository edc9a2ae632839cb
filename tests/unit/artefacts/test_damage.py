"""Every kind of file, damaged: the stage that reads it says which and what to delete, and gives no result."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_results import (
    BACKBONE,
    BASE,
    EXAMPLES,
    EXHIBITS,
    FINGERPRINTS,
    LEAKS,
    RAW,
    RUN,
    SCORED,
    SCORES,
    answers,
    write_small_results,
)

from othink_mr1.artefacts.atomic_files import sha256_of
from othink_mr1.artefacts.manifests import MANIFEST, manifest_beside
from othink_mr1.artefacts.verification import verify_folder, verify_part
from othink_mr1.config.sources import TableSource
from othink_mr1.data.examples import read_examples
from othink_mr1.data.fingerprints import read_fingerprints
from othink_mr1.data.leaks import read_leaks
from othink_mr1.data.prepare import prepare_dataset
from othink_mr1.data.row_to_example import RowLimits
from othink_mr1.data.stored_examples import StoredExamples
from othink_mr1.data.tables import Table
from othink_mr1.errors import UserError
from othink_mr1.exhibits.collected_tables import read_metrics
from othink_mr1.exhibits.frames import read_study
from othink_mr1.exhibits.read_points import read_scores
from othink_mr1.scoring.answers import read_answers
from othink_mr1.scoring.scores import Score, write_scores

ANSWERS = f"{answers(BASE)}/answers.jsonl"


def prepare(root: Path) -> int:
    return prepare_dataset(Table(root / RAW, TableSource()), root / "out", RowLimits(401408, 2048), 0.0)


# What reads a file, given the root. The file's name is the key's first word.
READERS: dict[str, Callable[[Path], Any]] = {
    f"{RAW}/data/train-00000-of-00001.parquet": prepare,
    EXAMPLES: lambda root: list(read_examples(root / EXAMPLES)),
    f"{EXAMPLES} by index": lambda root: len(StoredExamples(root / EXAMPLES)),
    FINGERPRINTS: lambda root: read_fingerprints(root / FINGERPRINTS).ids,
    LEAKS: lambda root: read_leaks(root / LEAKS),
    f"{BACKBONE}/model.safetensors": lambda root: verify_folder(root / BACKBONE),
    f"runs/{RUN}/checkpoint-5/model.safetensors": lambda root: verify_part(
        root / "runs" / RUN, "checkpoint-5"
    ),
    f"runs/{RUN}/metrics.csv": lambda root: list(read_metrics(root / "runs" / RUN).loss),
    ANSWERS: lambda root: read_answers(root / ANSWERS),
    SCORES: lambda root: len(read_scores(root / SCORES, "counting", root / SCORED)),
    EXHIBITS[0]: lambda root: len(read_study(root / EXHIBITS[0])),
}
SEALED = (FINGERPRINTS, LEAKS, SCORES, EXHIBITS[0])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_results(tmp_path_factory.mktemp("whole") / "results")


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "results"))


def damaged_bytes(path: Path) -> list[bytes]:
    """The file's content without its last byte, without any, and with a byte flipped at several places."""
    data = path.read_bytes()
    found = [data[:-1], b""]
    for place in (0, len(data) // 3, len(data) // 2, len(data) - 1):
        flipped = bytearray(data)
        flipped[place] ^= 1
        found.append(bytes(flipped))
    return found


def refused(read: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as caught:
        read()
    message = str(caught.value)
    assert "\n" not in message
    return message


def artefact(file: Path) -> Path:
    """The folder whose manifest lists the file."""
    return next(folder for folder in file.parents if (folder / MANIFEST).exists())


FILES = pytest.mark.parametrize(
    ("name", "read"), [(key.split()[0], READERS[key]) for key in READERS], ids=READERS
)


@FILES
def test_a_whole_file_is_read(root: Path, name: str, read: Callable[[Path], Any]) -> None:
    assert (root / name).exists()
    assert read(root)


@FILES
def test_a_damaged_file_is_refused_by_name(root: Path, name: str, read: Callable[[Path], Any]) -> None:
    path = root / name
    for content in damaged_bytes(path):
        path.write_bytes(content)
        message = refused(lambda: read(root))
        assert message.startswith(f"{path}: ")
        assert f"delete {path if name in SEALED else artefact(path)}" in message
        assert message.endswith("run snakemake again")


@FILES
def test_a_deleted_file_is_refused_by_name(root: Path, name: str, read: Callable[[Path], Any]) -> None:
    path = root / name
    path.unlink()
    message = refused(lambda: read(root))
    assert message.startswith(f"{path}: ")
    if name in SEALED:
        assert "there is no such file; let snakemake " in message
    else:
        assert "missing, though the manifest lists it; restore it from a copy, or delete " in message


@FILES
def test_a_damaged_manifest_is_refused_by_name(root: Path, name: str, read: Callable[[Path], Any]) -> None:
    path = root / name
    manifest = manifest_beside(path)
    if name not in SEALED:
        manifest = artefact(path) / MANIFEST
    for content in damaged_bytes(manifest):
        manifest.write_bytes(content)
        message = refused(lambda: read(root))
        assert message.startswith(f"{manifest}: ")
        # A flipped byte may make another key of the digest's: then it looks like one of an earlier version.
        assert message.endswith(("run snakemake again", "another results folder with this one"))
    manifest.unlink()
    if name in SEALED:
        assert f"has no {manifest.name} beside it" in refused(lambda: read(root))
    else:
        assert "incomplete, it has no manifest.json" in refused(lambda: read(root))


def test_answers_and_sets_of_somebodys_own_are_read(root: Path, tmp_path: Path) -> None:
    shutil.copy(root / ANSWERS, tmp_path / "mine.jsonl")
    assert read_answers(tmp_path / "mine.jsonl") == read_answers(root / ANSWERS)
    shutil.copy(root / EXAMPLES, tmp_path / "mine.parquet")
    assert list(read_examples(tmp_path / "mine.parquet")) == list(read_examples(root / EXAMPLES))


def test_answers_may_come_through_a_pipe(root: Path, tmp_path: Path) -> None:
    """score_answers.py --answers <(zcat answers.gz): what is read once is gone."""
    pipe, content = tmp_path / "pipe", (root / ANSWERS).read_bytes()
    os.mkfifo(pipe)
    found: list[Any] = []
    threads = [
        threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True),
        threading.Thread(target=lambda: found.append(read_answers(pipe)), daemon=True),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [read_answers(root / ANSWERS)]


class TestScoresThatAreThere:
    """write_scores writes over nothing, and accepts the same table; its manifest is there in the end."""

    SCORE = Score("000000", "counting", True, True, True, "correct", "", False)

    @pytest.mark.parametrize("fault", ["none", "deleted", "damaged", "of another table"])
    def test_the_same_table_is_sealed(self, root: Path, fault: str) -> None:
        path, manifest = root / SCORES, manifest_beside(root / SCORES)
        before = path.stat().st_mtime_ns
        if fault == "deleted":
            manifest.unlink()
        elif fault == "damaged":
            manifest.write_bytes(damaged_bytes(manifest)[2])
        elif fault == "of another table":
            write_scores(path.with_name("other.csv"), [], "")
            manifest_beside(path.with_name("other.csv")).replace(manifest)
        write_scores(path, [self.SCORE], sha256_of(root / SCORED))
        assert path.stat().st_mtime_ns == before
        assert len(read_scores(path, "counting", root / SCORED)) == 1

    def test_another_table_is_left_and_so_is_a_damaged_one(self, root: Path) -> None:
        path = root / SCORES
        content = damaged_bytes(path)[3]
        path.write_bytes(content)
        message = refused(lambda: write_scores(path, [self.SCORE], sha256_of(root / SCORED)))
        assert message == f"{path}: exists and has other contents; remove it, or choose another name"
        assert path.read_bytes() == content
        assert "was damaged" in refused(lambda: read_scores(path, "counting", root / SCORED))
        # As the message of the damage says.
        path.unlink()
        write_scores(path, [self.SCORE], sha256_of(root / SCORED))
        assert len(read_scores(path, "counting", root / SCORED)) == 1
