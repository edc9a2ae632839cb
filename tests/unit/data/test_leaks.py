"""Leaks: test items that also stand in a training set."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from entry_points import run
from leak_reports import leak
from raw_sets import picture, rendered_source
from test_fingerprints import write_set

from othink_mr1.artefacts.manifests import write_sealed_text
from othink_mr1.data.fingerprints import Fingerprints
from othink_mr1.data.leaks import (
    COLUMNS,
    NEAR_BITS,
    LeakCounts,
    count_leaks,
    find_leaks,
    read_leaks,
    refuse_shared_pictures,
    write_leaks,
)
from othink_mr1.data.rendering.render_source import png_bytes, render_items
from othink_mr1.errors import UserError


def fingerprints(*rows):
    """rows: (pixels: a letter, set bits of the picture's hash, question)."""
    hashes = [((1 << bits) - 1).to_bytes(32, "big") for _, bits, _ in rows]
    return Fingerprints(
        ids=[f"{n:06d}" for n in range(len(rows))],
        pixels=[pixels.encode() for pixels, _, _ in rows],
        picture_hashes=np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 32),
        questions=[question for _, _, question in rows],
        question_sha256=[question.strip().encode() for _, _, question in rows],
    )


def found(train, test):
    leaks = find_leaks(fingerprints(*train), fingerprints(*test), "here", "there")
    return [(leak.test_id, leak.train_id, leak.picture, leak.distance, leak.question) for leak in leaks]


def test_each_kind_of_leak():
    train = [("a", 0, "q"), ("b", 100, "q"), ("c", 200, "r")]
    test = [
        ("a", 0, "q"),  # picture and question
        ("x", 40, "q"),  # neither is near: 40 and 60 bits
        ("y", 90, "q"),  # near
        ("c", 200, "q"),  # the picture with another question
        ("z", 200, "s"),  # near, but another question
    ]
    assert found(train, test) == [
        ("000000", "000000", "same", 0, "same"),
        ("000002", "000001", "near", 10, "same"),
        ("000003", "000002", "same", 0, "other"),
    ]


def test_the_threshold_is_the_last_near_distance():
    assert NEAR_BITS == 32
    train = [("a", 0, "q")]
    assert found(train, [("x", 32, "q")]) == [("000000", "000000", "near", 32, "same")]
    assert found(train, [("x", 33, "q")]) == []


def test_the_closest_is_named_and_of_several_the_first():
    train = [("a", 20, "q"), ("b", 10, "q"), ("c", 10, "q"), ("x", 0, "other"), ("x", 0, "again")]
    assert found(train, [("t", 5, "q")]) == [("000000", "000001", "near", 5, "same")]
    # A near picture with the question says more than the very picture with another one, which is named too.
    assert found(train, [("x", 0, "q")]) == [("000000", "000001", "near", 10, "same")]
    assert found(train, [("x", 0, "new")]) == [("000000", "000003", "same", 0, "other")]
    twice = [("x", 0, "other"), ("x", 0, "q"), ("x", 0, "q")]
    assert found(twice, [("x", 0, "q")]) == [("000000", "000001", "same", 0, "same")]


def test_the_same_picture_is_named_and_counted_beside_a_near_one():
    train = [("a", 10, "q"), ("x", 0, "other"), ("x", 0, "again"), ("s", 90, "q")]
    test = [("x", 0, "q"), ("x", 0, "new"), ("s", 90, "q"), ("t", 12, "q")]
    leaks = find_leaks(fingerprints(*train), fingerprints(*test), "here", "there")
    assert [(leak.train_id, leak.picture, leak.same_picture) for leak in leaks] == [
        ("000000", "near", "000001"),
        ("000001", "same", "000001"),
        ("000003", "same", "000003"),
        ("000000", "near", ""),
    ]
    # The first counts twice: three of the four share their picture, one of these with its question.
    assert count_leaks(leaks) == LeakCounts(same=1, near=2, picture=2)


def test_rendered_sets_may_share_no_picture_even_beside_a_near_one():
    """The near picture with the same question is the closest item; the very picture is there all the same."""
    train, test = fingerprints(("a", 10, "q"), ("x", 0, "other")), fingerprints(("x", 0, "q"))
    with pytest.raises(UserError) as caught:
        refuse_shared_pictures(train, test, Path("train.parquet"), Path("test.parquet"))
    assert str(caught.value) == (
        "test.parquet: 1 pictures also stand in train.parquet, e.g. its 000001 as 000000; give one set "
        "another seed or source"
    )
    refuse_shared_pictures(fingerprints(("a", 10, "q")), test, Path("train.parquet"), Path("test.parquet"))


def test_many_pictures_of_one_question_are_compared_in_seconds():
    """70,000 x 754, as the largest pair: all questions equal, so that every picture is compared."""
    numbers = np.random.default_rng(1)
    rows = 70_000
    hashes = numbers.integers(0, 256, (rows, 32), dtype=np.uint8)
    train = Fingerprints(
        [str(n) for n in range(rows)], [bytes([0])] * rows, hashes, ["q"] * rows, [b"q"] * rows
    )
    test = Fingerprints(
        [str(n) for n in range(754)], [bytes([1])] * 754, hashes[-754:], ["q"] * 754, [b"q"] * 754
    )
    leaks = find_leaks(train, test, "here", "there")
    assert [leak.train_id for leak in leaks] == [str(n) for n in range(rows - 754, rows)]


def test_reports_survive_the_csv(tmp_path):
    path = tmp_path / "l.csv"
    leaks = [leak(), leak(picture="same", question="other", test_question='a "b", ∠ <c>; =1+1')]
    write_leaks(path, leaks)
    assert read_leaks(path) == leaks
    assert count_leaks([*leaks, leak(picture="same")]) == LeakCounts(same=1, near=1, picture=1)
    write_leaks(path, [])
    assert path.read_text() == ",".join(COLUMNS) + "\n"
    assert read_leaks(path) == []


HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        ("", "its columns are None"),
        ("a,b\n1,2\n", r"its columns are \['a', 'b'\]"),
        (f"{HEADER}\nt,u,1,2,near\n", "a row of"),
        (f"{HEADER}\nt,u,1,2,near,3,same,q,q,,more\n", "a row of"),
        (f"{HEADER}\nt,u,1,2,near,many,same,q,q,\n", "invalid literal"),
        (f"{HEADER}\nt,u,1,2,alike,3,same,q,q,\n", "a picture 'alike'"),
        (f"{HEADER}\nt,u,1,2,same,0,same,q,q,\n", "a same picture of no item"),
        (f'{HEADER}\nt,u,1,2,near,3,same,q,"q\n', "unexpected end"),
    ],
)
def test_damaged_reports_are_refused(tmp_path, content, said):
    path = tmp_path / "l.csv"
    if content is not None:
        write_sealed_text(path, content)
    with pytest.raises(UserError, match=rf"l\.csv: .*{said}"):
        read_leaks(path)


def find(root, train, test, *more, name="pair"):
    files = [root / f"{one}.fingerprints.parquet" for one in (train, test)]
    for one, output in zip((train, test), files, strict=True):
        assert run("fingerprint_dataset", "--examples", root / f"{one}.parquet", "--output", output) is None
    names = ["--train-name", "here", "--test-name", "there", "--output", root / f"{name}.csv"]
    return run("find_leaks", "--train", files[0], "--test", files[1], *names, *more)


@pytest.mark.parametrize("renderer", ["scenes", "geometry"])
def test_rendered_sets_share_no_picture(tmp_path, renderer):
    for split in ("train", "test"):
        source = rendered_source(renderer, split, items=40, image_size=56)
        items = [(png_bytes(item.image), item.question) for item in render_items(source)]
        write_set(tmp_path / f"{split}.parquet", *items)
    assert find(tmp_path, "train", "test", "--refuse") is None
    assert all(leak.picture == "near" for leak in read_leaks(tmp_path / "pair.csv"))
    file = tmp_path / "train.fingerprints.parquet"
    assert find(tmp_path, "train", "train", "--refuse", name="same") == (
        f"error: {file}: 40 pictures also stand in {file}, e.g. its 000000 as 000000; "
        "give one set another seed or source"
    )
    assert not (tmp_path / "same.csv").exists()


def test_real_sets_may_share_items(tmp_path, capsys):
    red, file = picture(colour="red"), picture(colour="red", form="BMP")
    write_set(tmp_path / "train.parquet", (red, "How many ?"), (red, "Which\nline ?"))
    write_set(tmp_path / "test.parquet", (file, " how  MANY "), (red, "Why ?"))
    assert find(tmp_path, "train", "test") is None
    assert (
        "of 2 items of there, here has 1 with picture and question, 0 with a near" in capsys.readouterr().out
    )
    with open(tmp_path / "pair.csv", newline="") as stream:
        assert list(csv.reader(stream))[1:] == [
            ["here", "there", "000000", "000000", "same", "0", "same", "How many ?", "how MANY", "000000"],
            ["here", "there", "000001", "000000", "same", "0", "other", "How many ?", "Why ?", "000000"],
        ]
    # No mistake where the sets are real, but one where they are drawn here to be apart.
    assert "2 pictures also stand in" in find(tmp_path, "train", "test", "--refuse")


def test_all_pairs_are_collected(tmp_path):
    (tmp_path / "data/leaks").mkdir(parents=True)
    write_leaks(tmp_path / "data/leaks/a.csv", [leak(), leak(test_id="5")])
    write_leaks(tmp_path / "data/leaks/b.csv", [])
    about = {"train_task": "counting", "test_rows_from": "x"}
    pairs = [
        about | {"test_task": task, "leaks": f"data/leaks/{name}.csv"}
        for task, name in (("geometry", "b"), ("counting", "a"))
    ]
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"exhibit": "leaks", "pairs": pairs, "code": "not read"}))
    arguments = ["--plan", plan, "--results", tmp_path, "--output", tmp_path / "data/leaks.csv"]
    assert run("collect_leaks", *arguments) is None
    assert (tmp_path / "data/leaks.csv").read_text().splitlines() == [
        "train_task,test_task,train,test,test_id,train_id,picture,distance,question,train_question,test_question,"
        "same_picture",
        "counting,counting,t,u,1,2,near,3,same,NA,null,",
        "counting,counting,t,u,5,2,near,3,same,NA,null,",
    ]
    plan.write_text(json.dumps({"pairs": pairs[:1]}))
    assert run("collect_leaks", *arguments) is None
    assert Path(tmp_path / "data/leaks.csv").read_text().count("\n") == 1
    (tmp_path / "data/leaks/b.csv").unlink()
    assert run("collect_leaks", *arguments).endswith(
        "b.csv: there is no such file; let snakemake look for leaks"
    )
