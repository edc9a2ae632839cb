"""Prepared sets as training and evaluation read them: by index, and never damaged."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from othink_mr1.artefacts.artefact import write_manifest
from othink_mr1.data.examples import Example, read_examples, write_examples
from othink_mr1.data.stored_examples import StoredExamples
from othink_mr1.errors import UserError


@pytest.fixture
def path(tmp_path):
    many = [Example(str(n), b"x" * 50, f"q{n}", str(n), None) for n in range(150)]  # three row groups
    write_examples(many, tmp_path / "set/examples.parquet")
    return tmp_path / "set/examples.parquet"


def test_examples_by_index(path):
    many = list(read_examples(path))
    examples = StoredExamples(path)
    assert len(examples) == 150
    assert [examples[n] for n in (149, 0, 63, 64, 128)] == [many[n] for n in (149, 0, 63, 64, 128)]
    with pytest.raises(IndexError):
        examples[150]


def read_all(path):
    examples = StoredExamples(path)
    return [examples[n] for n in range(len(examples))]


@pytest.mark.parametrize("read", [read_all, lambda path: list(read_examples(path))])
def test_damaged_files_are_one_line(path, read):
    whole = path.read_bytes()
    remedy = "delete its folder and run snakemake to prepare it again"
    # The end cut off, the description of the columns, a page of a row group.
    for damaged in (
        whole[:-50],
        whole[:-200] + bytes(100) + whole[-100:],
        whole[:4] + bytes(3000) + whole[3004:],
        b"",
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is damaged") as caught:
            read(path)
        assert str(caught.value).endswith(remedy)
        assert "\n" not in str(caught.value)


def test_a_flipped_byte_is_seen_by_the_manifest(path):
    write_manifest(path.parent)
    assert len(read_all(path)) == 150
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match="its sha256 is not the manifest's"):
        StoredExamples(path)


def test_other_files_are_no_prepared_sets(tmp_path):
    with pytest.raises(UserError, match="there is no such file; prepare the set first"):
        StoredExamples(tmp_path / "none.parquet")
    pq.write_table(pa.table({"image": [b"x"], "problem": ["q"]}), tmp_path / "raw.parquet")
    with pytest.raises(UserError, match="is no prepared set; its columns are image, problem"):
        StoredExamples(tmp_path / "raw.parquet")
    write_examples([], tmp_path / "empty.parquet")
    with pytest.raises(UserError, match="holds no examples"):
        StoredExamples(tmp_path / "empty.parquet")
