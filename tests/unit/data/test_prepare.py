"""Preparation: one schema, no row dropped in silence, the same bytes again, bounded memory."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from entry_points import program, python, run
from PIL import Image
from raw_sets import (
    finished,
    picture,
    prompt_row,
    rendered_source,
    saved,
    training_row,
    write_parquet,
    write_prompts,
    write_zip,
)

from othink_mr1.artefacts import artefact as artefacts
from othink_mr1.artefacts.atomic_files import sha256_of
from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.config.sources import TableSource
from othink_mr1.data import prepare, tables
from othink_mr1.data.examples import Example, read_examples
from othink_mr1.data.images import decoded
from othink_mr1.data.parquet_rows import read_parquet_rows
from othink_mr1.data.prepare import prepare_dataset
from othink_mr1.data.rendering.render_source import render_source
from othink_mr1.data.row_to_example import RowLimits
from othink_mr1.data.tables import Table
from othink_mr1.errors import UserError
from othink_mr1.plan.tables import data_sets
from othink_mr1.scoring.task_scorers import check_gold
from repository import study

LIMITS = RowLimits(max_pixels=401408, max_prompt_tokens=2048)


def prepared(raw, out, form="table", share=0.0, expect_rows=None, threads=1, scorers=()):
    check = partial(check_gold, scorers=scorers)
    source = Table(finished(raw), TableSource()) if form == "table" else [finished(raw)]
    prepare_dataset(source, out, LIMITS, share, expect_rows, threads, check)
    return list(read_examples(out / "examples.parquet"))


def report(out):
    return (out / "unusable_rows.csv").read_text(encoding="utf-8").splitlines()


def test_training_rows_lose_their_tags(tmp_path):
    rows = [training_row(7), training_row(8, thinking=None), training_row(9, thinking="", solution="145°")]
    examples = prepared(write_parquet(tmp_path / "raw", rows), tmp_path / "out")
    assert examples == [
        Example("000000", picture(colour=(7, 0, 0)), "What is 7 ?", "7", "\nIt is so.\n"),
        Example("000001", picture(colour=(8, 0, 0)), "What is 8 ?", "8", None),
        Example("000002", picture(colour=(9, 0, 0)), "What is 9 ?", "145°", None),
    ]
    assert read_manifest(tmp_path / "out")["rows"] == 3


def test_test_rows(tmp_path):
    raw = write_prompts(tmp_path / "raw", [prompt_row(gold=4), prompt_row(gold="145°")])
    write_zip(raw / "images.zip", {"images/superCLEVR_new_025000.png": picture()})
    examples = prepared(raw, tmp_path / "out", "prompts", expect_rows=2)
    assert [(e.id, e.gold, e.reasoning) for e in examples] == [
        ("000000", "4", None),
        ("000001", "145°", None),
    ]
    with pytest.raises(UserError, match="has 2 rows, expected 754"):
        prepared(raw, tmp_path / "other", "prompts", expect_rows=754)
    assert not (tmp_path / "other/examples.parquet").exists()


@pytest.mark.parametrize("renderer", ["scenes", "geometry"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_rendered_sets_go_the_same_way(tmp_path, renderer, split):
    render_source(rendered_source(renderer, split, items=12, image_size=56), tmp_path / "raw")
    form = "prompts" if split == "test" else "table"
    examples = prepared(tmp_path / "raw", tmp_path / "out", form, expect_rows=12)
    assert len({e.id for e in examples}) == 12
    assert all(decoded(e.image).size == (56, 56) for e in examples)
    assert all(bool(e.reasoning) == (split == "train") for e in examples)
    assert not any("<" in e.gold + (e.reasoning or "") for e in examples)


def some_bad_rows():
    return [
        training_row(0),
        training_row(1, image={"bytes": None, "path": "x.png"}),
        training_row(2, problem=" "),
        training_row(3),
        training_row(4, problem=None),
    ]


def test_few_unusable_training_rows_are_left_out_and_listed(tmp_path, capsys):
    examples = prepared(write_parquet(tmp_path / "raw", some_bad_rows()), tmp_path / "out", share=0.6)
    assert [(e.id, e.gold) for e in examples] == [("000000", "0"), ("000003", "3")]
    where = "train-00000-of-00001.parquet row"
    assert report(tmp_path / "out") == [
        "row,where,reason",
        f"1,{where} 1,no image",
        f"2,{where} 2,no question",
        f"4,{where} 4,no question",
    ]
    manifest = read_manifest(tmp_path / "out")
    assert (manifest["raw_rows"], manifest["rows"]) == (5, 2)
    assert manifest["unusable"] == {"no image": 1, "no question": 2}
    assert set(manifest["files"]) == {"examples.parquet", "unusable_rows.csv"}
    assert "3 rows left out: 2 × no question, 1 × no image" in capsys.readouterr().err


def test_too_many_unusable_training_rows_are_an_error_with_a_report(tmp_path):
    raw = write_parquet(tmp_path / "raw", some_bad_rows())
    with pytest.raises(UserError) as caught:
        prepared(raw, tmp_path / "out", share=0.59)
    assert str(caught.value) == (
        f"{raw}: 3 of 5 rows cannot be used, at most 59.00% may be left out "
        f"(2 × no question, 1 × no image); {tmp_path}/out/unusable_rows.csv lists them; "
        "correct the source, or raise preparation.largest_unusable_share in config.yaml"
    )
    assert len(report(tmp_path / "out")) == 4
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["unusable_rows.csv"]
    # A new attempt starts afresh.
    assert len(prepared(raw, tmp_path / "out", share=0.6)) == 2


def test_a_set_without_any_usable_row_is_an_error(tmp_path):
    raw = write_parquet(tmp_path / "raw", [training_row(problem="")])
    with pytest.raises(UserError, match=r"has no usable row \(1 rows\)"):
        prepared(raw, tmp_path / "out", share=1.0)
    assert not (tmp_path / "out/examples.parquet").exists()


def test_test_rows_are_never_left_out(tmp_path):
    bad = [prompt_row(), prompt_row(question="How <|image_pad|> ?"), prompt_row(gold=" ")]
    raw = write_prompts(tmp_path / "raw", bad)
    write_zip(raw / "images.zip", {"superCLEVR_new_025000.png": picture()})
    with pytest.raises(UserError, match="2 of 3 rows cannot be used, none may be left out") as caught:
        prepared(raw, tmp_path / "out", "prompts", share=1.0)
    assert "(1 × control token in the question, 1 × no answer)" in str(caught.value)
    assert report(tmp_path / "out")[1:] == [
        f"1,{raw}/prompts.jsonl line 2,control token in the question",
        f"2,{raw}/prompts.jsonl line 3,no answer",
    ]
    assert not (tmp_path / "out/examples.parquet").exists()


NO_GOLDS = {
    "geometry": ["nan", "NaN", "None", "null", "N/A", "inf", "-inf", "1e999", "1/0", "3:0", "?", "<b>5</b>"],
    "counting": ["four", "3.0", "-3", "+3", "3 items", "nan", "None", "1/2", "3°"],
}


@pytest.mark.parametrize(("scorer", "gold"), [(name, gold) for name in NO_GOLDS for gold in NO_GOLDS[name]])
def test_a_test_gold_that_no_answer_can_meet_is_refused(tmp_path, scorer, gold):
    raw = write_prompts(tmp_path / "raw", [prompt_row(), prompt_row(gold=gold)])
    write_zip(raw / "images.zip", {"superCLEVR_new_025000.png": picture()})
    with pytest.raises(UserError) as caught:
        prepared(raw, tmp_path / "out", "prompts", share=1.0, scorers=[scorer])
    line = str(caught.value)
    assert line.startswith(
        f"{raw}: 1 of 2 rows cannot be used, none may be left out (1 × no answer can meet its"
    )
    assert f"first row 1 ({raw}/prompts.jsonl line 2): gold {gold!r}: " in line
    assert "\n" not in line
    assert not (tmp_path / "out/examples.parquet").exists()


def test_training_rows_whose_gold_no_answer_can_meet_are_left_out_and_listed(tmp_path):
    golds = ["5", "nan", "7.5", "None"]
    rows = [training_row(n, solution=f"<answer> {gold} </answer>") for n, gold in enumerate(golds)]
    raw = write_parquet(tmp_path / "raw", rows)
    examples = prepared(raw, tmp_path / "out", share=0.5, scorers=["geometry"])
    assert [example.gold for example in examples] == ["5", "7.5"]
    assert read_manifest(tmp_path / "out")["unusable"] == {"no answer can meet its gold": 2}
    assert "gold 'nan': is no value" in report(tmp_path / "out")[1]
    with pytest.raises(UserError, match=r"2 of 4 rows cannot be used, at most 25\.00%"):
        prepared(raw, tmp_path / "other", share=0.25, scorers=["geometry"])
    # A set of two tasks is checked for each.
    both = prepared(raw, tmp_path / "both", share=0.75, scorers=["counting", "geometry"])
    assert [example.gold for example in both] == ["5"]
    # One that no task uses, as a backbone's, is not checked.
    assert len(prepared(raw, tmp_path / "none")) == 4


def test_a_set_is_checked_by_the_scorers_of_all_tasks_that_use_it():
    tasks = {"counting": {"train": "rendered_geometry"}}  # beside geometry's own use of it
    scorers = {
        name.rpartition("-")[0]: row.arguments.partition(" --scorers ")[2].split(" --")[0]
        for name, row in data_sets(study("mini/study.yaml", tasks=tasks)).items()
    }
    assert {source: names for source, names in scorers.items() if names} == {
        "rendered_geometry": "counting geometry",
        "rendered_scenes_test": "counting",
        "rendered_geometry_test": "geometry",
    }  # not those that only a backbone is pretrained on


def test_no_gold_form_of_the_published_sets_is_refused():
    forms = """145° 12 \\frac{12}{5} 5cm 8√{3} 0.75 5m √{3} 9米 65π 240πcm^{2} 5cm² 5cm^2^ 5cm^2 5平方米
    30海里 2小时 3秒 7厘米 8mm 20√{3}-20 60√{3}+1 \\frac{3}{2}√{3} \\frac{√{3}}{2} π
    (√{3}+1)小时 10√{2}m 67.5° -7"""
    for gold in forms.split():
        check_gold(gold, ["geometry"])
    for gold in range(12):
        check_gold(str(gold), ["counting", "geometry"])
    for gold in ("3:4", "1:2:3", "AB ⊥ CD", "x>5", "B", "5 or 6", "±5"):  # as a value or as text
        check_gold(gold, ["geometry"])


def noise(number):
    """A picture's bytes that parquet cannot compress, about 40 kB."""
    pixels = np.random.default_rng(number).integers(0, 255, (120, 120, 3), dtype=np.uint8)
    return saved(Image.fromarray(pixels), compress_level=0)


@pytest.mark.parametrize(("too_large", "threads"), [("examples", "2"), ("report", "1")])
def test_a_full_disk_is_one_line(tmp_path, too_large, threads):
    """A limit on the size of files stands in for the full disk."""
    good = [training_row(n, image={"bytes": noise(n), "path": ""}) for n in range(150)]
    bad = [training_row(0, problem="")]
    rows, limit = {
        "examples": (good + bad, 1_000_000),
        "report": (bad * 5000 + [training_row(1)], 100_000),
    }[too_large]
    raw = finished(write_parquet(tmp_path / "raw", rows))
    options = ["--form", "table", "--max-pixels", "401408", "--max-prompt-tokens", "2048", "--raw", raw]
    options += ["--largest-unusable-share", "1", "--threads", threads, "--output", tmp_path / "out"]
    done = program("prepare_dataset", *options, largest_file=limit)
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"error: {tmp_path}/out: cannot be written (")
    assert "File too large" in said
    assert said.endswith("); make room on that disk, or change who may write there, and try again")
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []
    assert program("prepare_dataset", *options).returncode == 0
    assert read_manifest(tmp_path / "out")["raw_rows"] == len(rows)


@pytest.mark.parametrize(("module", "step"), [(prepare, "filling"), (artefacts, "write_manifest")])
def test_a_disk_that_is_full_before_or_after_the_rows_is_one_line(tmp_path, monkeypatch, module, step):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    raw = finished(write_parquet(tmp_path / "raw", [training_row()]))
    monkeypatch.setattr(module, step, full)
    with pytest.raises(UserError, match=r"out: cannot be written \(.*No space left on device\); make room"):
        prepared(raw, tmp_path / "out")


@pytest.mark.parametrize("threads", [1, 2])
def test_a_disk_that_cannot_be_read_is_not_taken_for_a_full_one(tmp_path, monkeypatch, threads):
    def broken(*arguments):
        yield from read_parquet_rows(*arguments)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(tables, "read_parquet_rows", broken)
    raw = write_parquet(tmp_path / "raw", [training_row()])
    with pytest.raises(UserError) as caught:
        prepared(raw, tmp_path / "out", threads=threads)
    assert str(caught.value) == (
        f"{raw}: cannot be read ([Errno 5] Input/output error); check that disk and try again"
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_a_complete_set_is_left_as_it_is(tmp_path, capsys, monkeypatch):
    raw = finished(write_parquet(tmp_path / "raw", [training_row(0), training_row(1)]))
    out = tmp_path / "out"
    assert prepare_dataset(Table(raw, TableSource()), out, LIMITS, 0.0) == 2
    before = (out / "manifest.json").read_bytes()
    capsys.readouterr()
    monkeypatch.setattr(prepare, "write_examples", None)  # it would be called
    # The threshold lets a set be made, and changes no row.
    assert prepare_dataset(Table(raw, TableSource()), out, LIMITS, 0.5) == 2
    assert capsys.readouterr().err == f"{out}: is complete already\n"
    with pytest.raises(UserError) as caught:
        prepare_dataset(Table(raw, TableSource()), out, RowLimits(100352, 2048), 0.0)
    assert str(caught.value) == (
        f"{out}: is complete already, but was made with another max_pixels; delete this "
        "folder to make it again, or write to another folder"
    )
    assert (out / "manifest.json").read_bytes() == before


def test_a_stray_file_in_a_raw_folder_is_not_prepared(tmp_path):
    raw = finished(write_parquet(tmp_path / "raw", [training_row(0)]))
    write_parquet(raw, [training_row(1)], ".train-hidden.parquet")
    assert len(prepared(raw, tmp_path / "out")) == 1
    write_parquet(raw, [training_row(2)], "train-stray.parquet")
    with pytest.raises(UserError, match=r"train-stray\.parquet: is not listed in .*; move it out"):
        prepared(raw, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_same_set_gives_the_same_bytes(tmp_path):
    raw = write_parquet(tmp_path / "raw", [training_row(n) for n in range(100)])
    digests = set()
    for name, threads in (("one", 1), ("two", 1), ("three", 3)):
        prepared(raw, tmp_path / name, threads=threads)
        digests.add(sha256_of(tmp_path / name / "examples.parquet"))
    # With the pinned pyarrow, what versions.PREPARATION 2 writes: other rows need another one.
    assert digests == {"55b0f4561fe623f51a35e1916a73e7a8c7612e331cf2123f3468686f03858ac1"}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak from Linux's /proc")
def test_memory_does_not_grow_with_the_set(tmp_path):
    """8 times the rows, 180 MB, in a process of its own: the peak stays where it is."""
    images = [noise(number) for number in range(20)]
    code = (
        "import re, sys; from pathlib import Path; from othink_mr1.data.prepare import prepare_dataset;"
        "from othink_mr1.data.row_to_example import RowLimits; from othink_mr1.data.tables import Table;"
        "from othink_mr1.config.sources import TableSource; table = Table(Path(sys.argv[1]), TableSource());"
        "prepare_dataset(table, Path(sys.argv[2]), RowLimits(401408, 2048), 0.0, threads=2);"
        # Not getrusage, which counts this test's own process before the exec too.
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', Path('/proc/self/status').read_text())[1])"
    )
    peaks = []
    for rows in (500, 4000):
        # Bytes differ from row to row, else parquet would keep them in a dictionary.
        data = [training_row(n, image={"bytes": images[n % 20] + b"%d" % n, "path": ""}) for n in range(rows)]
        raw = finished(write_parquet(tmp_path / f"raw{rows}", data))
        done = python(code, raw, tmp_path / f"out{rows}")
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 40, f"{peaks} MiB"


def test_entry_points_render_and_prepare(tmp_path, capfd):
    source = {"kind": "rendered", "renderer": "scenes", "items": 8, "seed": 1, "image_size": 56}
    for split, form in (("train", "table"), ("test", "prompts")):
        settings = json.dumps(source | {"reasoning": True, "split": split})
        raw = tmp_path / "raw" / split
        assert run("render_source", "--source", settings, "--output", raw) is None
        options = ["--form", form, "--max-pixels", "401408", "--max-prompt-tokens", "2048"]
        options += ["--largest-unusable-share", "0.005", "--expect-rows", "8", "--threads", "2"]
        capfd.readouterr()
        files = ["--raw", raw / "manifest.json", "--output", tmp_path / split]
        assert run("prepare_dataset", *options, *files) is None
        assert "8/8" in capfd.readouterr().err  # progress


def test_entry_points_report_mistakes_in_one_line(tmp_path):
    wrong = program("render_source", "--source", '{"kind": "rendered"}', "--output", tmp_path / "raw")
    assert wrong.returncode == 1
    assert wrong.stderr == "error: --source: rendered.renderer: Field required\n"
    options = ["--form", "table", "--max-pixels", "9", "--max-prompt-tokens", "9"]
    options += ["--largest-unusable-share", "0", "--raw", tmp_path / "none", "--output", tmp_path / "out"]
    absent = program("prepare_dataset", *options)
    assert absent.returncode == 1
    assert absent.stderr == (
        f"error: {tmp_path}/none: incomplete, it has no manifest.json; run snakemake to make it\n"
    )


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--threads", "0", "must be 1 or more, got '0'"),
        ("--max-pixels", "many", "must be 1 or more, got 'many'"),
        ("--largest-unusable-share", "1.5", "must be a number from 0 to 1, got '1.5'"),
        ("--largest-unusable-share", "few", "must be a number from 0 to 1, got 'few'"),
    ],
)
def test_wrong_numbers_are_named(option, value, message, capsys):
    assert run("prepare_dataset", option, value) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"prepare_dataset.py: error: argument {option}: {message}"
