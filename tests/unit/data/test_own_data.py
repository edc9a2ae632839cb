"""Own data: ten sets of different forms are prepared by config alone; mistakes end in one line."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, Image, List, load_from_disk
from entry_points import program, run
from own_sets import BAD, ROWS, SETS, own_source, pictures
from raw_sets import finished

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.config.load import load_study
from othink_mr1.config.sources import Columns, LocalSource, TableSource
from othink_mr1.data.content import Content
from othink_mr1.data.examples import EXAMPLES_FILE, Example, read_examples
from othink_mr1.data.prepare import prepare_dataset
from othink_mr1.data.row_to_example import RawRow, RowLimits, UnusableRow
from othink_mr1.data.tables import Table
from othink_mr1.errors import UserError
from othink_mr1.plan import tables
from othink_mr1.plan.folders import data_folder
from othink_mr1.plan.identity import local_content
from repository import REPOSITORY, SCRIPTS, study

BOTH = {"jsonl", "chinese_csv"}  # with one unusable row


def rows_of(source: dict[str, Any]) -> list[RawRow]:
    declared = LocalSource.model_validate(source)
    return list(Table(Path(declared.path), declared).rows()[0])


def sha256_of(source: dict[str, Any]) -> str:
    content = Content()
    declared = LocalSource.model_validate(source)
    for _ in content.over(Table(Path(declared.path), declared).rows()[0]):
        pass
    return content.sha256


def prepare(source: dict[str, Any], out: Path, share: float = 0.05, test: bool = False) -> tuple[int, str]:
    """With the rule's arguments: the exit status and the error's last line."""
    own = {
        "scorer": "geometry",
        "max_new_tokens": 9,
        "train_prompt": "{question}",
        "test_prompt": "{question}",
    }
    other = {
        "kind": "rendered",
        "renderer": "scenes",
        "split": "test",
        "items": 3,
        "seed": 1,
        "reasoning": False,
    }
    task = own | ({"train": "geoqa_8k", "test": "mine"} if test else {"train": "mine", "test": "other"})
    config = study(
        sources={"mine": {"sha256": sha256_of(source)} | source, "other": other},
        tasks={"mine": task},
        preparation={"largest_unusable_share": share},
    )
    arguments = tables.data_sets(config)[Path(data_folder(config, "mine")).name].arguments
    return ended(run("prepare_dataset", *shlex.split(arguments), "--raw", "--output", out))


def ended(said: str | int | None) -> tuple[int, str]:
    """What `run` returns, as a shell sees it: the exit status and the error's last line."""
    return (1, said.splitlines()[-1]) if isinstance(said, str) else (said or 0, "")


def examples(out: Path) -> list[Example]:
    return list(read_examples(out / EXAMPLES_FILE))


@pytest.mark.parametrize("name", SETS)
def test_each_form_goes_through_the_preparation(name: str, tmp_path: Path) -> None:
    source = own_source(name, tmp_path / "raw")
    status, said = prepare(source, tmp_path / "out")
    assert status == 0, said
    found = examples(tmp_path / "out")
    numbers = [number for number in range(ROWS) if name not in BOTH or number != BAD]
    assert [int(example.id) for example in found] == numbers
    unit = "米" if name == "chinese_csv" else ""
    assert [example.gold for example in found] == [f"{number}{unit}" for number in numbers]
    assert len({example.image for example in found}) == len(numbers)
    assert {example.reasoning for example in found} == ({"It is so."} if name == "json_list" else {None})
    if name == "chinese_csv":
        assert found[3].question == "图中的“边长”, 是多少？\n第3题"


@pytest.mark.parametrize("name", sorted(BOTH))
def test_five_percent_are_too_many_unless_they_are_allowed(name: str, tmp_path: Path) -> None:
    source = own_source(name, tmp_path / "raw")
    status, said = prepare(source, tmp_path / "out", share=0.049)
    assert status == 1
    assert "1 of 20 rows cannot be used, at most 4.90% may be left out (1 × " in said
    with (tmp_path / "out/unusable_rows.csv").open(newline="") as stream:
        ((row, where, reason),) = list(csv.reader(stream))[1:]
    assert int(row) == BAD
    assert Path(source["path"]).name in where
    assert reason.startswith("no picture file: " if name == "jsonl" else "no answer")


def test_rows_of_a_test_set_are_never_left_out(tmp_path: Path) -> None:
    status, said = prepare(own_source("jsonl", tmp_path / "raw"), tmp_path / "out", share=1.0, test=True)
    assert status == 1
    assert "1 of 20 rows cannot be used, none may be left out" in said
    assert prepare(own_source("saved", tmp_path / "other"), tmp_path / "good", test=True)[0] == 0


def test_the_content_is_that_of_the_rows_and_not_of_the_form_or_place(tmp_path: Path) -> None:
    same = {
        sha256_of(own_source(name, tmp_path / name)) for name in ("parquet_file", "saved", "imagefolder_csv")
    }
    assert len(same) == 1
    source = own_source("imagefolder_csv", tmp_path / "moved")
    before = sha256_of(source)
    (tmp_path / "moved/3.png").write_bytes((tmp_path / "moved/4.png").read_bytes())
    assert sha256_of(source) not in (before, *same)


def test_parts_of_rows_do_not_run_together() -> None:
    found = set()
    for parts in ((b"ab", "c"), (b"a", "bc"), (None, "abc"), (b"", "abc")):
        content = Content()
        list(content.over([RawRow("here", *parts, None, None)]))
        found.add(content.sha256)
    assert len(found) == 4


def test_data_that_has_changed_is_not_prepared(tmp_path: Path) -> None:
    source = own_source("imagefolder_csv", tmp_path / "raw")
    status, said = prepare(source | {"sha256": "f" * 64}, tmp_path / "out")
    assert status == 1
    assert f"its content has sha256 {sha256_of(source)}, not {'f' * 64} as in the config" in said
    assert not (tmp_path / "out" / EXAMPLES_FILE).exists()
    assert not (tmp_path / "out/manifest.json").exists()


def table(folder: Path, **choice: Any) -> Table:
    return Table(folder, TableSource.model_validate(choice))


def test_what_is_no_table_is_said_in_a_line(tmp_path: Path) -> None:
    names = pictures(tmp_path)
    for text, file, said in (
        ("a,b\n1,2,3\n", "x.csv", "x.csv line 2: has another number of cells than the head"),
        ('a,b\n"1,2\n', "x.csv", "is no csv"),
        ("[1]", "x.jsonl", "x.jsonl line 1: must be an object, got [1]"),
        ("{", "x.jsonl", "x.jsonl line 1: is no JSON"),
        ("{}", "x.json", "x.json: must be a list of objects, or jsonl"),
        (
            '[{"problem": "q"}]',
            "x.json",
            "has no column 'image'; its columns are problem; the",
        ),
        (f'[{{"image": "{names[0]}", "problem": "q", "answer": "7"}}]', "x.json", "has no column 'solution'"),
    ):
        (tmp_path / file).write_text(text)
        with pytest.raises(UserError) as caught:
            list(table(tmp_path / file).rows()[0])
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x.csv", "x.jsonl", "x.json"])
def test_a_link_to_nothing_or_to_a_folder_is_said_in_a_line(name: str, tmp_path: Path) -> None:
    for target in ("gone", "."):
        (tmp_path / name).unlink(missing_ok=True)
        (tmp_path / name).symlink_to(target)
        with pytest.raises(UserError, match=rf"{name}: cannot be read \("):
            list(table(tmp_path).rows()[0])


def test_a_row_says_what_is_wrong_with_its_picture(tmp_path: Path) -> None:
    pictures(tmp_path)
    (tmp_path / "large.png").write_bytes(b"")
    with (tmp_path / "large.png").open("r+b") as file:
        file.truncate(2**27)
    cells: list[tuple[Any, str]] = [
        (["0.png", "1.png"], "several pictures"),
        ("gone.png", "no picture file"),
        ("/dev/zero", "no picture file"),
        (".", "no picture file"),
        ("large.png", "picture file too large"),
        (7, "picture is no path"),
        ("a\0b", "no picture file"),
    ]
    rows = [{"image": cell, "problem": "q", "solution": "1"} for cell, _ in cells]
    rows += [{"image": "0.png", "problem": "q", "solution": answer} for answer in (True, 1.5, {"a": 1})]
    rows.append({"image": "0.png", "problem": "half \ud800", "solution": "1"})
    (tmp_path / "x.json").write_text(json.dumps(rows))
    found = [row.unusable for row in Content().over(table(tmp_path / "x.json").rows()[0])]
    assert all(isinstance(one, UnusableRow) for one in found)
    reasons = [str(one) for one in found]
    assert reasons == [reason for _, reason in cells] + ["answer is no text"] * 3 + ["question is no UTF-8"]


def test_pictures_of_a_download_are_in_it(tmp_path: Path) -> None:
    pictures(tmp_path)
    pictures(tmp_path / "raw/a")
    cells = ["a/0.png", "a/../a/1.png", "../0.png", "a/../../0.png", str(tmp_path / "0.png")]
    rows = [{"image": cell, "problem": "q", "solution": "1"} for cell in cells]
    (tmp_path / "raw/x.json").write_text(json.dumps(rows))
    assert not any(row.unusable for row in table(tmp_path / "raw").rows()[0])
    finished(tmp_path / "raw")
    out = tmp_path / "out"
    prepare_dataset(table(tmp_path / "raw"), out, RowLimits(401408, 2048), 0.6)
    assert read_manifest(out)["unusable"] == {"picture outside of the set": 3}
    assert [example.id for example in examples(out)] == ["000000", "000001"]


def test_empty_cells_are_missing_values(tmp_path: Path) -> None:
    pictures(tmp_path)
    rows = [{"image": image, "problem": "q", "solution": None} for image in (None, "", [])]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    found = [(row.image, row.solution, row.unusable) for row in table(tmp_path / "x.json").rows()[0]]
    assert found == [(None, None, None)] * 3


def test_which_files_are_read(tmp_path: Path) -> None:
    for name in ("en/train-0.parquet", "en/test-0.parquet", "en_long/train-0.parquet", "de/train-0.parquet"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")

    def chosen(**choice: Any) -> list[str]:
        return [path.relative_to(tmp_path).as_posix() for path in table(tmp_path, **choice).files()]

    assert chosen(config="de") == ["de/train-0.parquet"]
    assert chosen(config="en") == ["en/train-0.parquet", "en_long/train-0.parquet"]
    assert chosen(config="en", split="test") == ["en/test-0.parquet"]
    assert chosen(split="test") == ["en/test-0.parquet"]
    with pytest.raises(UserError, match=r"no file is named after split 'val': de/train-0\.parquet, "):
        chosen(split="val")
    (tmp_path / "de/train-0.csv").write_text("")
    with pytest.raises(
        UserError, match="has files of the forms csv, parquet; say which to read by the source's"
    ):
        chosen(config="de")
    with pytest.raises(UserError, match="there is no such file or folder; correct the source's path"):
        table(tmp_path / "gone").rows()


def test_splits_of_a_saved_set(tmp_path: Path) -> None:
    source = own_source("saved_splits", tmp_path / "raw")
    assert len(rows_of(source)) == ROWS
    assert len(rows_of(source | {"split": "rest"})) == 3
    with pytest.raises(UserError, match="has the splits val, rest; say which one by `split`"):
        rows_of(source | {"split": "train"})
    for file in (tmp_path / "raw/saved/val").glob("*.arrow"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be read, though `datasets` saved it"):
        rows_of(source)


@pytest.mark.parametrize("way", ["numpy", "torch", "arrow"])
def test_a_saved_set_is_read_as_it_is_stored_whatever_format_was_set(way: str, tmp_path: Path) -> None:
    source = own_source("saved", tmp_path / "raw")
    plain = rows_of(source)
    load_from_disk(source["path"]).with_format(way, columns=["problem"]).save_to_disk(tmp_path / "raw/set")
    found = rows_of(source | {"path": str(tmp_path / "raw/set")})
    assert [replace(row, where="") for row in found] == [replace(row, where="") for row in plain]


def test_pictures_in_the_lists_of_a_saved_set_are_not_decoded(tmp_path: Path) -> None:
    images: list[list[bytes]] = [[b"any bytes"], [b"one", b"two"], []]
    columns = {
        "image": [[{"bytes": one, "path": None} for one in row] for row in images],
        "problem": ["q"] * 3,
        "solution": [1] * 3,
    }
    made = Dataset.from_dict(columns)
    made = made.cast_column("image", List(Image()))
    made.save_to_disk(tmp_path / "saved")
    found = list(table(tmp_path / "saved").rows()[0])
    assert [row.image for row in found] == [b"any bytes", None, None]
    assert [str(row.unusable) for row in found] == ["None", "several pictures", "None"]


@pytest.mark.parametrize("text", ["[]", "[" * 100_000])
def test_a_saved_set_whose_description_is_none_is_said_in_a_line(text: str, tmp_path: Path) -> None:
    source = own_source("saved", tmp_path / "raw")
    (tmp_path / "raw/saved/dataset_info.json").write_text(text)
    with pytest.raises(UserError, match="cannot be read, though `datasets` saved it"):
        rows_of(source)


def test_damaged_offsets_of_a_saved_set_lead_nowhere(tmp_path: Path) -> None:
    source = own_source("saved", tmp_path / "raw")
    (file,) = (tmp_path / "raw/saved").glob("*.arrow")
    ends = np.cumsum([0, *(len(row.question or "") for row in rows_of(source))], dtype=np.int32)
    content = file.read_bytes()
    assert content.count(ends.tobytes()) == 1
    file.write_bytes(content.replace(ends.tobytes(), ends[::-1].tobytes()))
    with pytest.raises(UserError, match="cannot be read, though `datasets` saved it"):
        rows_of(source)


def test_the_split_of_a_saved_set_is_compared(tmp_path: Path) -> None:
    source = own_source("saved", tmp_path / "raw") | {"split": "test"}
    with pytest.raises(UserError, match="has no split 'test', it was saved without one; leave out `split`"):
        rows_of(source)
    info = tmp_path / "raw/saved/state.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"_split": "train"}))
    with pytest.raises(UserError, match="has no split 'test', it was saved as train; leave out `split`"):
        rows_of(source)
    assert rows_of(source | {"split": "train"})


def test_a_saved_set_is_read_without_a_cache(tmp_path: Path) -> None:
    source = own_source("saved", tmp_path / "raw")
    before = sorted(tmp_path.rglob("*"))
    home = tmp_path / "home"
    code = (
        "import sys; from pathlib import Path; from othink_mr1.config.sources import TableSource;"
        "from othink_mr1.data.tables import Table; rows, _ = Table(Path(sys.argv[1]), TableSource()).rows();"
        "print(len(list(rows)))"
    )
    environment = {"HOME": str(home), "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(
        [sys.executable, "-c", code, source["path"]],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{ROWS}\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_columns_may_be_those_of_the_published_sets() -> None:
    assert Columns().model_dump() == {
        "image": "image",
        "question": "problem",
        "answer": "solution",
        "reasoning": None,
    }


def test_the_content_is_written_once_and_then_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    source = own_source("imagefolder_csv", tmp_path / "raw")
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        f"sources:\n  mine: {{kind: local, path: {source['path']}}}\n"
        "tasks:\n  mine: {variant_of: geometry, train: mine, test: mine}\n"
    )

    arguments = ("--config", REPOSITORY / "config.yaml", "--overlay", overlay)
    before = program("check_config", *arguments)  # once as it is started
    assert before.returncode == 1
    assert "sources.mine: nobody has looked yet at what" in before.stderr
    assert len(before.stderr.splitlines()) == 1
    # A set that no preparation would take is not locked: correcting it would be another set.
    picture = tmp_path / "raw/0.png"
    picture.rename(tmp_path / "moved.png")
    refused = run("lock_local_data", *arguments)
    said = f"sources.mine: 1 of its {ROWS} rows cannot be used, first metadata.csv line 2: no picture file ("
    assert said in refused
    assert not (tmp_path / "downloads.lock.json").exists()
    (tmp_path / "moved.png").rename(picture)
    assert run("lock_local_data", *arguments) is None
    assert capsys.readouterr().out.strip().endswith(f"mine: sha256 {sha256_of(source)}")
    lock = json.loads((tmp_path / "downloads.lock.json").read_text())
    assert lock == {f"local/{source['path']}": {"sha256": sha256_of(source)}}
    assert run("check_config", *arguments) is None
    assert run("lock_local_data", *arguments) is None
    with (tmp_path / "raw/metadata.csv").open("a") as stream:
        stream.write("0.png,q,1\n")
    again = run("lock_local_data", *arguments)
    assert "bring the former data back, or delete that entry" in again
    assert json.loads((tmp_path / "downloads.lock.json").read_text()) == lock


def test_two_sources_may_read_different_parts_of_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = own_source("parquet_splits", tmp_path / "raw")
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(
        f"sources:\n  a: {{kind: local, path: {source['path']}, split: train}}\n"
        f"  b: {{kind: local, path: {source['path']}, split: test}}\n"
        "tasks:\n  mine: {variant_of: geometry, train: a, test: b}\n"
    )
    monkeypatch.chdir(tmp_path)
    arguments = ("--config", REPOSITORY / "config.yaml", "--overlay", overlay)
    assert run("lock_local_data", *arguments) is None
    assert run("check_config", *arguments) is None
    config = load_study([REPOSITORY / "config.yaml", overlay])
    for name, split in (("a", "train"), ("b", "test")):
        assert local_content(config, name) == sha256_of(source | {"split": split})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file_name,problem,solution\n", "sources.mine: has no rows; correct its path or files"),
        (
            "file_name,problem,solution,problem\n0.png,q,1,r\n",
            "metadata.csv: its head has 'problem' twice; correct the file",
        ),
    ],
)
def test_sets_that_are_not_locked(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raw").mkdir()
    pictures(tmp_path / "raw")
    (tmp_path / "raw/metadata.csv").write_text(text)
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(f"sources: {{mine: {{kind: local, path: {tmp_path / 'raw'}}}}}\n")
    monkeypatch.chdir(tmp_path)
    refused = run("lock_local_data", "--config", REPOSITORY / "config.yaml", "--overlay", overlay)
    assert ended(refused) == (1, f"error: {said}")
    assert not (tmp_path / "downloads.lock.json").exists()
