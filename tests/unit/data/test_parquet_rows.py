"""Training sets: which files and columns are read, and which are refused."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_sets import picture, training_row, write_parquet

from othink_mr1.config.sources import Columns, TableSource
from othink_mr1.data import parquet_files as bounds
from othink_mr1.data import parquet_rows
from othink_mr1.data.parquet_rows import count_parquet_rows
from othink_mr1.data.row_to_example import RawRow
from othink_mr1.data.tables import Table
from othink_mr1.errors import UserError


def parquet_files(folder: Path) -> list[Path]:
    return Table(folder, TableSource()).files()


def read_parquet_rows(files: list[Path]) -> Iterator[RawRow]:
    return parquet_rows.read_parquet_rows(files, Columns())


def test_parquet_rows_come_in_the_order_of_the_files(tmp_path):
    write_parquet(tmp_path, [training_row(n) for n in range(40)], "train-00000-of-00002.parquet")
    write_parquet(tmp_path, [training_row(n) for n in range(40, 50)], "train-00001-of-00002.parquet")
    rows = list(read_parquet_rows(parquet_files(tmp_path)))
    assert [row.question for row in rows] == [f"What is {n} ?" for n in range(50)]
    assert rows[-1].where == "train-00001-of-00002.parquet row 9"


def test_only_the_training_split_is_read(tmp_path):
    write_parquet(tmp_path, [training_row(1)], "test-00000-of-00001.parquet")
    assert [path.name for path in parquet_files(tmp_path)] == ["test-00000-of-00001.parquet"]
    write_parquet(tmp_path, [training_row(2)])
    write_parquet(tmp_path / ".cache", [training_row(3)])
    assert [path.name for path in parquet_files(tmp_path)] == ["train-00000-of-00001.parquet"]


@pytest.mark.parametrize(
    ("names", "training"),
    [
        (["train/0000.parquet", "test/0000.parquet"], ["train/0000.parquet"]),
        (["default/train/0.parquet", "default/validation/0.parquet"], ["default/train/0.parquet"]),
        (
            ["train_and_test/test-0.parquet", "train_and_test/train-0.parquet"],
            ["train_and_test/train-0.parquet"],
        ),
        (
            ["Train/values.parquet", "Train/a.parquet", "val/a.parquet"],
            ["Train/a.parquet", "Train/values.parquet"],
        ),
        (["b/0000.parquet", "a/0000.parquet"], ["a/0000.parquet", "b/0000.parquet"]),
    ],
)
def test_folders_may_name_the_splits(tmp_path, names, training):
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert [path.relative_to(tmp_path).as_posix() for path in parquet_files(tmp_path)] == training


def test_plain_binary_images_and_missing_thinking_are_read(tmp_path):
    row = {"image": picture(), "problem": "a", "solution": "b"}
    (read,) = read_parquet_rows(parquet_files(write_parquet(tmp_path, [row])))
    assert read.image == picture()
    assert read.thinking is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"image": b"x", "question": "a", "solution": "b"},
            "has no column 'problem'; its columns are image, ",
        ),
        ({"image": "x.png", "problem": "a", "solution": "b"}, "column 'image' is string, not an image"),
        ({"image": b"x", "problem": "a", "solution": 7.5}, "column 'solution' is double, not text"),
        ({"image": b"x", "problem": 7, "solution": "b"}, "column 'problem' is int64, not text"),
        ({"image": [b"x"], "problem": "a", "solution": "b"}, "'image' is list.*several pictures cannot"),
    ],
)
def test_wrong_columns_are_named(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        list(read_parquet_rows(parquet_files(write_parquet(tmp_path, [row]))))


def test_broken_parquet_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(UserError, match="has no parquet, csv, jsonl or json file"):
        parquet_files(tmp_path)
    path = write_parquet(tmp_path, [training_row()]) / "data/train-00000-of-00001.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="is no readable parquet file"):
        list(read_parquet_rows([path]))


def test_a_row_that_is_no_utf8_does_not_stop_the_others(tmp_path):
    texts = pa.array([b"caf\xe9", b"caf\xc3\xa9", None], pa.binary()).view(pa.string())
    table = pa.table({"image": [picture()] * 3, "problem": texts, "solution": ["1", "2", "3"]})
    pq.write_table(table, tmp_path / "train.parquet")
    rows = list(read_parquet_rows([tmp_path / "train.parquet"]))
    assert [row.question for row in rows] == ["caf\udce9", "café", None]


@pytest.mark.parametrize(
    ("text", "binary"), [(pa.large_string(), pa.large_binary()), (pa.string_view(), pa.binary_view())]
)
def test_other_kinds_of_text_and_bytes_are_read(tmp_path, text, binary):
    """As polars writes them."""
    for image in (
        pa.array([picture()], binary),
        pa.array([{"bytes": picture()}], pa.struct([("bytes", binary)])),
    ):
        columns = {"image": image, "problem": pa.array(["café"], text), "solution": pa.array(["1"], text)}
        pq.write_table(pa.table(columns), tmp_path / "train.parquet")
        (row,) = read_parquet_rows([tmp_path / "train.parquet"])
        assert (row.image, row.question, row.solution) == (picture(), "café", "1")


def test_dictionaries_and_columns_without_a_value_are_read(tmp_path):
    """As pandas writes categories, and as some write a column `thinking` of which no row has one."""
    columns = {
        "image": pa.array([picture()] * 3).dictionary_encode(),
        "problem": pa.array(["a", "b", "a"]).dictionary_encode(),
        "solution": pa.array(["1", None, "1"]).dictionary_encode(),
        "thinking": pa.nulls(3),
    }
    pq.write_table(pa.table(columns), tmp_path / "train.parquet")
    rows = list(read_parquet_rows([tmp_path / "train.parquet"]))
    assert [(row.question, row.solution, row.thinking) for row in rows] == [
        ("a", "1", None), ("b", None, None), ("a", "1", None),
    ]  # fmt: skip
    assert {row.image for row in rows} == {picture()}


def test_rows_of_all_files_are_counted(tmp_path):
    for name, rows in (("train-0.parquet", 250), ("train-1.parquet", 3)):
        write_parquet(tmp_path, [training_row(n) for n in range(rows)], name)
    assert count_parquet_rows(parquet_files(tmp_path)) == 253
    assert len(list(read_parquet_rows(parquet_files(tmp_path)))) == 253


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("MOST_ROWS", 4, "declares 5 rows, at most 4"),
        ("LARGEST_ROW_GROUP", 100, "row group 0 declares"),
        ("LARGEST_FOOTER_TEXT", 3, "is no readable parquet file"),
        ("MOST_FOOTER_ENTRIES", 2, "is no readable parquet file"),
    ],
)
def test_absurd_files_are_refused(tmp_path, monkeypatch, limit, value, message):
    files = parquet_files(write_parquet(tmp_path, [training_row(n) for n in range(5)]))
    assert len(list(read_parquet_rows(files))) == 5
    monkeypatch.setattr(bounds, limit, value)
    with pytest.raises(UserError, match=message):
        list(read_parquet_rows(files))


def test_a_bomb_is_refused_by_what_it_declares(tmp_path):
    """300 MB of zeros in a file of some ten thousand bytes."""
    table = pa.table({"image": [bytes(100 * 2**20)] * 3, "problem": ["a"] * 3, "solution": ["b"] * 3})
    pq.write_table(table, tmp_path / "train.parquet", compression="zstd", use_dictionary=False)
    del table
    with pytest.raises(UserError, match=r"row group 0 declares 3\d{8} bytes, in a file of \d{5};"):
        list(read_parquet_rows([tmp_path / "train.parquet"]))


def test_a_large_row_group_is_read_a_few_rows_at_a_time(tmp_path, monkeypatch):
    (path,) = parquet_files(write_parquet(tmp_path, [training_row(n) for n in range(5)]))
    with bounds.readable_parquet(path) as file:
        sizes = [batch.num_rows for batch in bounds.bounded_batches(file, ["image"])]
        assert sizes == [5]
        monkeypatch.setattr(bounds, "BYTES_AT_ONCE", 2 * file.metadata.row_group(0).total_byte_size)
        sizes = [batch.num_rows for batch in bounds.bounded_batches(file, ["image"])]
        assert sizes == [2, 2, 1]


def test_a_column_twice_is_refused(tmp_path):
    columns = [pa.array([b"x"]), pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    pq.write_table(
        pa.table(columns, names=["image", "problem", "solution", "solution"]), tmp_path / "a.parquet"
    )
    with pytest.raises(UserError, match="has several columns 'solution'"):
        list(read_parquet_rows([tmp_path / "a.parquet"]))


def test_damaged_pages_are_one_line(tmp_path):
    (path,) = parquet_files(write_parquet(tmp_path, [training_row(n) for n in range(5)]))
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    with pytest.raises(UserError, match="is no readable parquet file") as caught:
        list(read_parquet_rows([path]))
    assert "\n" not in str(caught.value)


def test_answers_may_be_whole_numbers(tmp_path):
    rows = [{"image": picture(), "problem": "a", "solution": number} for number in (7, -12)]
    found = read_parquet_rows(parquet_files(write_parquet(tmp_path, rows)))
    assert [row.solution for row in found] == ["7", "-12"]
