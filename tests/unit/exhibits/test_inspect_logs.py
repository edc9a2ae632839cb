"""Logs for `inspect view`: every answer with its verdicts, and nothing that a text could break."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from synthetic_results import SyntheticResults

from othink_mr1.exhibits.inspect_logs import LONGEST_SIDE, Log, write_log
from othink_mr1.scoring.answers import read_answers


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    root = tmp_path_factory.mktemp("results")
    entry = SyntheticResults(root, items=12).evaluation("sft", "counting", "counting", 42, 0.6)
    return Log(
        name="run-counting",
        answers=(root / entry["answers"]).parent,
        scores=root / entry["scores"],
        examples=root / entry["examples"],
        task="counting",
        prompt="{question} <think>?",
    )


def test_every_answer_is_a_sample(log: Log, tmp_path: Path) -> None:
    assert write_log(log, tmp_path / "a.eval") == 12
    write_log(log, tmp_path / "b.eval")
    assert (tmp_path / "a.eval").read_bytes() == (tmp_path / "b.eval").read_bytes()
    answers = read_answers(log.answers / "answers.jsonl")
    right = 0
    with zipfile.ZipFile(tmp_path / "a.eval") as archive:
        header, summaries = (json.loads(archive.read(f"{name}.json")) for name in ("header", "summaries"))
        for answer, summary in zip(answers, summaries, strict=True):
            sample = json.loads(archive.read(f"samples/{answer.id}_epoch_1.json"))
            user, assistant = sample["messages"]
            assert user["content"][1]["text"] == f"{answer.question} <think>?"
            picture = user["content"][0]["image"].removeprefix("data:image/jpeg;base64,")
            assert max(Image.open(io.BytesIO(base64.b64decode(picture))).size) <= LONGEST_SIDE
            assert (assistant["content"], sample["target"]) == (answer.completion, answer.gold)
            assert sample["scores"] == summary["scores"]
            assert "data:" not in json.dumps(summary)
            right += sample["scores"]["r1v"]["value"] == "C"
    (r1v,) = (score for score in header["results"]["scores"] if score["name"] == "r1v")
    assert r1v["metrics"]["accuracy"]["value"] == pytest.approx(right / 12)
    assert 0 < right < 12
