"""score_answers as a command: the table, the totals, and what it refuses."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"


def answer(id="a", task="counting", completion="<think>x</think> <answer> 3 </answer>", gold="3"):
    return {"id": id, "task": task, "question": "How many?", "gold": gold, "completion": completion}


def write(path, *answers):
    path.write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in answers), encoding="utf-8"
    )
    return path


def run(answers, scores, *more):
    return subprocess.run(
        [sys.executable, SCRIPTS / "score_answers.py", "--answers", answers, "--scores", scores, *more],
        capture_output=True,
        text=True,
        timeout=60,
    )


def error_of(outcome):
    assert outcome.returncode == 1
    assert outcome.stdout == ""
    *progress, said = outcome.stderr.splitlines()
    assert all(line.startswith("answers scored:") for line in progress), outcome.stderr
    return said


def test_scores_and_totals(tmp_path):
    answers = write(
        tmp_path / "answers.jsonl",
        answer("a"),
        answer('b, \u2028"', completion="<answer> 4 </answer>"),
        answer("a", task="angles", gold="140°", completion="<think>x</think> <answer> 140 </answer>"),
    )
    before = answers.read_bytes()
    outcome = run(answers, tmp_path / "new" / "scores.csv", "--scorer", "angles=geometry")
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout) == {
        "scorer": "r1v-1",
        "items": 3,
        "format_ok": 2,
        "r1v_correct": 2,
        "tasks": {
            "counting": {"items": 2, "format_ok": 1, "r1v_correct": 1},
            "angles": {"items": 1, "format_ok": 1, "r1v_correct": 1},
        },
    }
    with open(tmp_path / "new" / "scores.csv", encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["id", "task", "format_ok", "r1v_correct"],
            ["a", "counting", "1", "1"],
            ['b, \u2028"', "counting", "0", "0"],
            ["a", "angles", "1", "1"],
        ]
    assert answers.read_bytes() == before


def test_nothing_is_written_over(tmp_path):
    answers = write(tmp_path / "answers.jsonl", answer())
    scores = tmp_path / "scores.csv"
    assert run(answers, scores).returncode == 0
    first = scores.stat().st_mtime_ns
    assert run(answers, scores).returncode == 0  # the same table again is no conflict
    assert scores.stat().st_mtime_ns == first
    scores.write_text("mine\n")
    assert str(scores) in error_of(run(answers, scores))
    assert scores.read_text() == "mine\n"
    assert str(answers) in error_of(run(answers, answers))


GOOD = json.dumps(answer()).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no answers"),
        (GOOD + b"{\n", "line 2: is not JSON"),
        (GOOD + b"\n" + GOOD, "line 2: is not JSON"),
        (b"\xff\n", "line 1: is not JSON"),
        (b"[" * 100_000 + b"\n", "line 1: is not JSON"),
        (b"[]\n", "line 1: is not an object"),
        (GOOD + GOOD, "line 2: task 'counting', id 'a' is in line 1 already"),
        (GOOD.replace(b'"completion"', b'"completed"'), "line 1: has no 'completion'"),
        (GOOD.replace(b'"id": "a"', b'"id": 3'), "line 1: 'id' must be a string, got int"),
        (GOOD.replace(b'"id": "a"', b'"id": "\\ud800"'), "line 1: 'id' is not a valid name"),
        (GOOD.replace(b'"gold": "3"', b'"gold": "many"'), "gold 'many'"),
        (GOOD.replace(b"counting", b"sizes"), "scorer 'sizes': unknown; known are counting, geometry"),
    ],
)
def test_what_is_refused(tmp_path, content, said):
    answers = tmp_path / "answers.jsonl"
    answers.write_bytes(content)
    assert said in error_of(run(answers, tmp_path / "scores.csv"))
    assert not (tmp_path / "scores.csv").exists()


def test_missing_file_and_bad_pair(tmp_path):
    assert "missing.jsonl: cannot be read" in error_of(run(tmp_path / "missing.jsonl", tmp_path / "s.csv"))
    answers = write(tmp_path / "answers.jsonl", answer())
    assert "must be TASK=SCORER" in error_of(run(answers, tmp_path / "s.csv", "--scorer", "counting"))
