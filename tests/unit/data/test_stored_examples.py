"""Prepared sets as training and evaluation read them: by index, and never damaged."""

import os
import tempfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from entry_points import python

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


def test_other_files_are_no_prepared_sets(tmp_path):
    with pytest.raises(UserError, match="there is no such file; prepare the set first"):
        StoredExamples(tmp_path / "none.parquet")
    pq.write_table(pa.table({"image": [b"x"], "problem": ["q"]}), tmp_path / "raw.parquet")
    with pytest.raises(UserError, match="is no prepared set; its columns are image, problem"):
        StoredExamples(tmp_path / "raw.parquet")
    write_examples([], tmp_path / "empty.parquet")
    with pytest.raises(UserError, match="holds no examples"):
        StoredExamples(tmp_path / "empty.parquet")


# Prints its own memory (MiB) before and after all examples were read in no order.
READ_ALL = r"""
import re, sys
from pathlib import Path
from othink_mr1.data.stored_examples import StoredExamples

def own_memory():
    return int(re.search(r"RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024

print(own_memory())
examples = StoredExamples(Path(sys.argv[1]))
for number in range(len(examples)):
    assert examples[number * 7 % len(examples)].id == str(number * 7 % len(examples))
print(own_memory())
"""


def test_the_images_are_not_held_in_memory_and_nothing_is_left_on_the_disk(tmp_path):
    """400 MB of images, read by a process that has a home of its own."""
    lots = (Example(str(n), os.urandom(200_000), "q", "1", None) for n in range(2000))
    write_examples(lots, tmp_path / "set/examples.parquet")
    write_manifest(tmp_path / "set")
    for name in ("home", "temporary"):
        (tmp_path / name).mkdir()
    files = sorted(tmp_path.rglob("*"))
    environment = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "temporary")}
    done = python(READ_ALL, tmp_path / "set/examples.parquet", env=environment)
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert after < before + 200
    assert sorted(tmp_path.rglob("*")) == files


def test_other_content_of_the_same_times_is_read_anew(path):
    """No copy of what the file was before is kept anywhere."""
    assert StoredExamples(path)[0].question == "q0"
    before = path.stat()
    write_examples([Example("0", b"x", "another", "0", None)], path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    examples = StoredExamples(path)
    assert (len(examples), examples[0].question) == (1, "another")


def test_no_room_for_the_copy_is_one_line(path, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(UserError, match=r"/none: cannot keep images there \(.*\); make room, or set TMPDIR"):
        StoredExamples(path)
