"""Rendered sets are written in the raw form of the real ones."""

import json
import zipfile
from functools import partial

import datasets
import pyarrow.parquet as pq
import pytest
from raw_sets import rendered_source

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.data.rendering.render_source import render_source
from othink_mr1.errors import UserError

source = partial(rendered_source, items=5, image_size=56, reasoning=False)


@pytest.mark.parametrize(("split", "reasoning"), [("train", True), ("held_out", False), ("backbone", True)])
def test_training_sets_are_parquet_as_on_the_hub(tmp_path, split, reasoning):
    render_source(source("geometry", split, reasoning=reasoning), tmp_path / "raw")
    table = pq.read_table(tmp_path / "raw/data/train-00000-of-00001.parquet")
    texts = ["thinking", "problem", "solution"] if reasoning else ["problem", "solution"]
    assert table.column_names == ["image", *texts]
    row = table.to_pylist()[0]
    assert row["image"]["bytes"].startswith(b"\x89PNG")
    assert row["image"]["path"] == "0.png"
    assert row["solution"].startswith("<answer> ")
    assert row["solution"].endswith("° </answer>")
    if reasoning:
        assert row["thinking"].startswith("<think>")
        assert row["thinking"].endswith("</think>")


def test_datasets_reads_the_image_column(tmp_path):
    render_source(source("scenes", "train", reasoning=True), tmp_path / "raw")
    files = str(tmp_path / "raw/data/*.parquet")
    rows = datasets.load_dataset(
        "parquet", data_files=files, cache_dir=str(tmp_path / "cache"), split="train"
    )
    assert isinstance(rows.features["image"], datasets.Image)
    assert rows[0]["image"].size == (56, 56)
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("renderer", "image_path", "kind"),
    [
        ("scenes", "./images/superCLEVR_new_025000.png", int),  # R1-V's counting file has integers
        ("geometry", "./Geo170K/images/test/0.png", str),
    ],
)
def test_test_sets_are_prompts_and_a_zip(tmp_path, renderer, image_path, kind):
    render_source(source(renderer, "test"), tmp_path / "raw")
    rows = [
        json.loads(line) for line in (tmp_path / "raw/prompts.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert [set(row) for row in rows] == [{"image_path", "question", "ground_truth"}] * 5
    assert rows[0]["image_path"] == image_path
    assert type(rows[0]["ground_truth"]) is kind
    with zipfile.ZipFile(tmp_path / "raw/images.zip") as images:
        assert len(images.namelist()) == 5
        # The clock stays out of the bytes.
        assert {member.date_time for member in images.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(
            row["image_path"].endswith(name) for row, name in zip(rows, images.namelist(), strict=True)
        )


@pytest.mark.parametrize(("renderer", "split"), [("scenes", "test"), ("geometry", "train")])
def test_the_same_settings_give_the_same_bytes(tmp_path, renderer, split):
    for folder in ("one", "two"):
        render_source(source(renderer, split, items=3), tmp_path / folder)
    one, two = (read_manifest(tmp_path / folder)["files"] for folder in ("one", "two"))
    assert one == two


def test_a_complete_source_is_left_as_it_is(tmp_path, capsys):
    one = source("geometry", "test", items=3)
    render_source(one, tmp_path / "raw")
    before = (tmp_path / "raw/images.zip").stat().st_ino
    capsys.readouterr()
    render_source(one, tmp_path / "raw")
    assert (tmp_path / "raw/images.zip").stat().st_ino == before
    assert capsys.readouterr().err == f"{tmp_path}/raw: is complete already\n"
    with pytest.raises(
        UserError, match=r"but was made with another source; delete this .* or write to another folder"
    ):
        render_source(source("geometry", "test", items=4), tmp_path / "raw")


def test_a_failed_rendering_is_not_complete(tmp_path):
    with pytest.raises(UserError, match="'oval' is unknown"):
        render_source(source("geometry", "test", kinds=["oval"]), tmp_path / "raw")
    with pytest.raises(UserError, match="incomplete"):
        read_manifest(tmp_path / "raw")
    assert not list((tmp_path / "raw").iterdir())
