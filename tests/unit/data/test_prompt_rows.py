"""Test sets in R1-V's form: prompts, and the images that they name."""

import pytest
from raw_sets import prompt_row, write_prompts, write_zip

from othink_mr1.data import prompt_rows
from othink_mr1.data.prompt_rows import read_prompt_rows
from othink_mr1.errors import UserError


def test_prompts_and_images_may_lie_in_two_folders(tmp_path):
    prompts = write_prompts(tmp_path / "prompts", [prompt_row(gold=4), prompt_row(gold="145°")])
    write_zip(tmp_path / "images/images.zip", {"images/superCLEVR_new_025000.png": b"x"})
    rows = list(read_prompt_rows([prompts, tmp_path / "images"]))
    assert [(row.image, row.solution) for row in rows] == [(b"x", "4"), (b"x", "145°")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: is no JSON"),
        ("[]", "line 1: is no JSON object"),
        ("[" * 100_000, "line 1: is no JSON"),
        ('{"image_path": "a", "question": "q", "ground_truth": ' + "9" * 5000 + "}", "line 1: is no JSON"),
        ('{"question": "q", "ground_truth": 1}', "line 1: image_path must be text, got None"),
        ('{"image_path": "a", "question": "q", "ground_truth": 1.5}', "must be text or integer, got 1.5"),
        ('{"image_path": "a", "question": "q", "ground_truth": true}', "must be text or integer, got True"),
    ],
)
def test_broken_prompts_are_refused_with_their_line(tmp_path, line, message):
    (tmp_path / "prompts.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=message):
        list(read_prompt_rows([tmp_path]))


def test_one_prompt_file_is_needed(tmp_path):
    (tmp_path / ".hidden.jsonl").touch()
    with pytest.raises(UserError) as caught:
        list(read_prompt_rows([tmp_path]))
    assert str(caught.value) == (
        f"{tmp_path}: need one jsonl file of prompts, found 0; correct the test set's `prompts` "
        "and `images` in the config"
    )


def test_texts_that_are_no_utf8_reach_the_checks_of_the_row(tmp_path):
    # One written so in JSON, one in the file's own bytes.
    lines = [
        b'{"image_path": "a.png", "question": "q \\ud800", "ground_truth": 1}',
        b'{"image_path": "a.png", "question": "q \xe9", "ground_truth": 1}',
    ]
    (tmp_path / "prompts.jsonl").write_bytes(b"\n\n".join(lines))
    (tmp_path / "a.png").write_bytes(b"x")
    rows = list(read_prompt_rows([tmp_path]))
    assert [(row.question, row.where[-6:]) for row in rows] == [
        ("q \ud800", "line 1"),
        ("q \udce9", "line 3"),
    ]


@pytest.mark.parametrize(("limit", "value"), [("LARGEST_LINE", 40), ("MOST_PROMPTS", 1)])
def test_prompt_files_are_bounded(tmp_path, monkeypatch, limit, value):
    write_prompts(tmp_path, [prompt_row("a.png"), prompt_row("a.png")])
    (tmp_path / "a.png").write_bytes(b"x")
    assert len(list(read_prompt_rows([tmp_path]))) == 2
    monkeypatch.setattr(prompt_rows, limit, value)
    with pytest.raises(UserError, match="this is not a prompt file"):
        list(read_prompt_rows([tmp_path]))
