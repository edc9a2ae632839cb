"""Data cards: where the sets come from, what is in them, and that their texts are shown, not obeyed."""

import json
import re
import xml.etree.ElementTree
from collections import Counter

import pytest
from entry_points import run
from leak_reports import leak
from markdown_it import MarkdownIt
from raw_sets import picture

from othink_mr1.artefacts.artefact import filling
from othink_mr1.data.examples import Example, write_examples
from othink_mr1.data.leaks import write_leaks
from othink_mr1.exhibits.answer_forms import answer_chart, answer_distribution, are_small_numbers, form_of
from othink_mr1.exhibits.figure_files import as_svg
from othink_mr1.exhibits.text import markdown_text

HOSTILE = (
    "<script>alert(1)</script> [x](https://evil.example/a_b) ![i](u) | `c` **b**\n"
    "# www.evil.example &lt; a@b.c"
)
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HUB = {
    "kind": "hub",
    "repository": "some/set_a",
    "repository_type": "dataset",
    "revision": "main",
    "files": ["*"],
}
URL = {
    "kind": "url",
    "path": "R1-V/p.jsonl",
    "sha256": "ab" * 32,
}


def raw(root, name, source, size=1_500_000, **facts):
    with filling(root / name, {"source": source}) as artefact:
        (root / name / "file").write_bytes(bytes(size))
        artefact.finish(**facts)
    return name


def prepared(root, name, examples, **facts):
    with filling(root / name, {}) as artefact:
        write_examples(examples, root / name / "examples.parquet")
        artefact.finish(rows=len(examples), **facts)
    return name


def example(number, gold="3", question="How many ?", reasoning=None, size=(8, 6)):
    return Example(f"{number:06d}", picture(size), question, gold, reasoning)


def write_card(root, train, test, leaks=(), changes=None):
    """Runs the entry point on sets of these examples; returns the card, or the message of failure."""
    write_leaks(root / "data/leaks/p.csv", leaks)
    hub = raw(root, "raw/clevr_37k-0a1b2c3d4e", HUB, revision=COMMIT, licence="apache-2.0")
    prompts = raw(root, "raw/prompts-0a1b2c3d4e", URL)
    images = raw(root, "raw/images-0a1b2c3d4e", HUB | {"repository_type": "model"}, revision=COMMIT)
    unusable = {"unreadable image": 2, "no | answer": 1}
    plan = {
        "exhibit": "data.counting",
        "task": "counting",
        "train": {
            "source": "clevr_37k",
            "folder": prepared(root, "data/clevr", train, raw_rows=len(train) + 3, unusable=unusable),
            "raw": [hub],
        },
        "test": {
            "source": "superclevr_test",
            "folder": prepared(root, "data/super", test, raw_rows=len(test), unusable={}),
            "raw": [prompts, images],
        },
        "prompts": {"train": "{question}  Answer in <answer> tags.", "test": "{question} Answer."},
        "leaks": "data/leaks/p.csv",
        "code": "not read",
    }
    (root / "plan.json").write_text(json.dumps(plan | (changes or {})))
    card = root / "data/counting.md"
    arguments = ["--plan", root / "plan.json", "--results", root, "--task", "counting"]
    failed = run("write_data_card", *arguments, "--output", card, "--chart", root / "data/counting.svg")
    return failed or card.read_text()


def cells(card, start):
    """The cells of the table row that begins so."""
    (row,) = (line for line in card.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def test_the_card_tells_what_the_sets_are_made_of(tmp_path):
    train = [example(n, str(3 + n % 2), "q" * (n + 1), "It is so." if n else None) for n in range(5)]
    test = [example(0, "7", size=(40, 20)), example(1, "3")]
    card = write_card(tmp_path, train, test)
    assert card.startswith("# Data of counting (visual counting)\n")
    assert cells(card, "training | clevr") == [
        "training", r"clevr\_37k", r"some/set\_a (dataset on the hub)", "main", COMMIT, "apache-2.0",
        "1", "1.5 MB",
    ]  # fmt: skip
    assert cells(card, "test | images")[2:6] == [
        r"some/set\_a (model on the hub)", "main", COMMIT, "not stated"
    ]  # fmt: skip
    assert cells(card, "test | prompts")[2:6] == [
        "R1-V/p.jsonl (on the web)", "–", f"sha256 {'ab' * 32}", "not stated",
    ]  # fmt: skip
    expected = {
        "rows in the source": ["8", "2"],
        "rows used": ["5", "2"],
        "rows left out as unusable": ["3", "0"],
        "with reasoning": ["80.0%", "0.0%"],
        "image width": ["8 / 8 / 8", "8 / 8 / 40"],
        "image height": ["6 / 6 / 6", "6 / 6 / 20"],
        "length of the question": ["1 / 3 / 5", "10 / 10 / 10"],
        "different answers": ["2", "2"],
    }
    assert {name: cells(card, f"{name} |")[1:] for name in expected} == expected
    assert r"| training | no \| answer | 1 |" in card
    assert "| training | unreadable image | 2 |" in card
    assert "| training | 3 (60.0%), 4 (40.0%) |" in card
    assert "    {question}  Answer in <answer> tags.\n\n    {question} Answer.\n" in card
    assert "- 0 of 2: the same picture with the same question" in card
    assert "](counting.svg)" in card
    svg = (tmp_path / "data/counting.svg").read_text()
    assert xml.etree.ElementTree.fromstring(svg).tag.endswith("svg")
    assert "Gold answers of visual counting" in svg


def test_leaks_are_counted_and_the_first_ones_listed(tmp_path):
    leaks = [leak(test_id=str(n), test_question=f"Q {n}?") for n in range(10)]
    leaks += [leak(picture="same", distance=0), leak(picture="same", question="other", distance=0)]
    leaks += [leak(same_picture="7")]  # near, and the very picture stands there with another question
    card = write_card(tmp_path, [example(0)], [example(n) for n in range(20)], leaks)
    assert "- 1 of 20: the same picture with the same question" in card
    assert "- 11 of 20: a picture that looks alike" in card
    assert "- 2 of 20: the same picture, but only with other questions (an item may count in" in card
    assert "| 9 | 2 | near | 3 | same | Q 9? |" in card
    assert card.endswith("The first 10 of 13; `leaks.csv` has all.\n")


def test_texts_of_the_sets_are_shown_and_not_obeyed(tmp_path):
    leaks = [leak(test_question=HOSTILE, test_id=HOSTILE)]
    card = write_card(tmp_path, [example(0, HOSTILE, HOSTILE)], [example(0, "7")], leaks)
    html = MarkdownIt("commonmark").enable("table").render(card)
    assert re.findall(r"<(script|a|em|strong|code|h1)\b", html) == ["h1", "code"]  # the prompts
    assert re.findall(r'<img src="([^"]*)"', html) == ["counting.svg"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    assert {row.count("<td") for row in rows} <= {0, 2, 3, 6, 8}  # no text added a cell


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("145° + 1.5", "145° + 1.5"),
        ("a_b|c", r"a\_b\|c"),
        ("x\n\n- y\u202e", "x - y□"),
        ("https://a.b www.a.b", r"https\://a.b www\.a.b"),
        ("a" * 81, "a" * 79 + "…"),
    ],
)
def test_markdown_is_escaped(text, written):
    assert markdown_text(text) == written


@pytest.mark.parametrize(
    ("gold", "form"),
    [
        ("145°", "degrees"), ("145 degrees", "degrees"), (r"$145^\circ$", "degrees"), ("7", "number"),
        ("-3.5", "number"), ("1/2", "fraction"), (r"\frac{1}{2}", "fraction"), ("3√2", "with root"),
        (r"2\sqrt{3}cm", "with root"), ("2π", "with π"), ("√3π", "with π"), ("π/2", "with π"),
        ("5cm", "with unit"), ("4 米", "with unit"), ("12cm²", "with unit"), ("A", "other"),
        ("3,4 and 5", "other"),
    ],
)  # fmt: skip
def test_forms_of_answers(gold, form):
    assert form_of(gold) == form


def test_small_numbers_have_a_bar_each():
    frame = answer_distribution({"training": Counter({"3": 3, "5": 1}), "test": Counter({"05": 2})})
    assert frame.to_dict("list") == {
        "set": ["training"] * 3 + ["test"] * 3,
        "answer": ["3", "4", "5"] * 2,
        "rows": [3, 0, 1, 0, 0, 2],
        "share": [0.75, 0, 0.25, 0, 0, 1],
    }
    assert are_small_numbers(["0", "39"])
    assert not are_small_numbers(["0", "40"])
    assert not are_small_numbers(["1", "2.5"])


def test_other_answers_are_counted_by_form():
    golds = {"training": Counter({"30°": 1, "60°": 2, "x": 1}), "test": Counter({"2": 5})}
    frame = answer_distribution(golds)
    assert list(frame.answer) == ["degrees", "number", "other"] * 2
    assert list(frame.rows) == [3, 0, 1, 0, 5, 0]
    assert as_svg(answer_chart(frame, "geometry")) == as_svg(answer_chart(frame, "geometry"))


def test_what_is_missing_ends_in_one_line(tmp_path):
    said = write_card(tmp_path / "a", [example(0)], [example(0)], changes={"task": "geometry"})
    assert said == f"error: {tmp_path}/a/plan.json: is the plan of 'geometry', not of 'counting'"
    said = write_card(tmp_path / "b", [], [example(0)])
    assert said == f"error: {tmp_path}/b/data/clevr/examples.parquet: has no examples; prepare the set again"
    broken = Example("000000", picture((400, 300))[:20], "q", "1", None)
    said = write_card(tmp_path / "c", [broken], [example(0)])
    assert "the picture of 000000 cannot be read" in said
    assert said.count("\n") == 0
    bare = {"source": "x", "folder": "data/clevr", "raw": ["data/clevr"]}
    said = write_card(tmp_path / "d", [example(0)], [example(0)], changes={"train": bare})
    assert "does not say of which source the files are" in said
    old = bare | {"folder": prepared(tmp_path / "e", "data/old", [example(0)])}
    said = write_card(tmp_path / "e", [example(0)], [example(0)], changes={"train": old})
    manifest = tmp_path / "e/data/old/manifest.json"
    assert said == f"error: {manifest}: has no 'raw_rows'; delete it and run snakemake again"
    assert not list((tmp_path / "d/data").glob("counting.*"))
