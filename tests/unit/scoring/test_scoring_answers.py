"""score_answers as a command: the table, the totals, and what it refuses."""

import csv
import gzip
import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from types import SimpleNamespace

import entry_points
import pytest

from othink_mr1.plan.versions import SCORER


def answer(id="a", task="counting", completion="<think>x</think> <answer> 3 </answer>", gold="3", **more):
    return {"id": id, "task": task, "question": "How many?", "gold": gold, "completion": completion} | more


def write(path, *answers):
    path.write_text(
        "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in answers), encoding="utf-8"
    )
    return path


def run(answers, scores, *more):
    """The program's outcome, in this process, with one worker."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        said = entry_points.run(
            "score_answers", "--answers", answers, "--scores", scores, "--workers", 1, *more
        )
    return SimpleNamespace(
        returncode=int(said is not None), stdout=out.getvalue(), stderr=err.getvalue() + (said or "")
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
        answer('b, \u2028"', completion="<answer> 4 </answer>", truncated=True),
        answer("a", task="angles", gold="140°", completion="<think>x</think> <answer> 140 </answer>"),
        answer("b", task="angles", gold="140°", completion="It is 140"),
    )
    before = answers.read_bytes()
    scores = tmp_path / "new" / "scores.csv"
    outcome = entry_points.program(
        "score_answers", "--answers", answers, "--scores", scores, "--scorer", "angles=geometry"
    )
    assert outcome.returncode == 0, outcome.stderr
    none = {"wrong": 0, "several_answers": 0, "unparseable": 0, "timeout": 0}
    both = {"correct": 2, "no_answer_tag": 1, **none}
    assert json.loads(outcome.stdout) == {
        "scorer": SCORER,
        "items": 4,
        "format_ok": 2,
        "r1v_correct": 3,
        "exact_correct": 2,
        "outcomes": both | {"wrong": 1},
        "tasks": {
            "counting": {
                "items": 2,
                "format_ok": 1,
                "r1v_correct": 1,
                "exact_correct": 1,
                "outcomes": both | {"correct": 1, "no_answer_tag": 0, "wrong": 1},
            },
            "angles": {
                "items": 2,
                "format_ok": 1,
                "r1v_correct": 2,
                "exact_correct": 1,
                "outcomes": both | {"correct": 1},
            },
        },
    }
    with open(tmp_path / "new" / "scores.csv", encoding="utf-8", newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["id", "task", "format_ok", "r1v_correct", "exact_correct", "outcome", "reason", "truncated"],
            ["a", "counting", "1", "1", "1", "correct", "", ""],  # the file does not tell
            ['b, \u2028"', "counting", "0", "0", "0", "wrong", "another number", "1"],
            ["a", "angles", "1", "1", "1", "correct", "", ""],
            ["b", "angles", "0", "1", "0", "no_answer_tag", "no tag", ""],
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


GOOD = json.dumps(answer()).encode() + b"\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no answers"),
        (GOOD + b"{\n", "line 2: is not JSON"),
        (GOOD + b"\n" + GOOD, "line 2: is not JSON"),
        (b"\xff\n", "line 1: is not UTF-8 text"),
        (b"[" * 100_000 + b"\n", "line 1: is not JSON"),
        (b"[]\n", "line 1: is not an object"),
        (GOOD + GOOD, "line 2: task 'counting', id 'a' is in line 1 already"),
        (GOOD.replace(b'"completion"', b'"completed"'), "line 1: has no 'completion'"),
        (GOOD.replace(b'"id": "a"', b'"id": 3'), "line 1: 'id' must be a string, got int"),
        (GOOD.replace(b'"id": "a"', b'"id": "\\ud800"'), "line 1: 'id' is not a valid name"),
        (GOOD.replace(b'"id": "a"', b'"id": "a\\rb"'), "line 1: 'id' is not a valid name"),
        (
            GOOD + GOOD.replace(b'"a"', b'"b"').replace(b'"gold": "3"', b'"gold": "many"'),
            "answers.jsonl, line 2: task 'counting', id 'b': gold 'many'",
        ),
        (
            GOOD + GOOD.replace(b"counting", b"sizes"),
            "answers.jsonl, line 2: scorer 'sizes': unknown; known are counting, geometry",
        ),
    ],
)
def test_what_is_refused(tmp_path, content, said):
    answers = tmp_path / "answers.jsonl"
    answers.write_bytes(content)
    assert said in error_of(run(answers, tmp_path / "scores.csv"))
    assert not (tmp_path / "scores.csv").exists()


def test_scores_do_not_depend_on_the_workers_and_a_limit_is_a_named_outcome(tmp_path):
    lines = [answer(str(n), completion=f"<answer> {n % 5} </answer> {n}") for n in range(150)]
    tower = "<answer> 9**9**9**9 </answer>"
    lines += [answer("tower", task="geometry", completion=tower, gold="140°")]
    lines += [answer("long", task="geometry", completion="x" * 4_000_001, gold="140°")]
    answers = write(tmp_path / "answers.jsonl", *lines)
    tables = []
    for workers in ("1", "2"):
        scores = tmp_path / f"scores-{workers}.csv"
        outcome = run(answers, scores, "--workers", workers)
        assert outcome.returncode == 0, outcome.stderr
        tables.append(scores.read_text())
    assert tables[0] == tables[1]
    *_, of_tower, of_long = csv.reader(tables[0].splitlines())
    assert of_tower[3:] == ["0", "0", "unparseable", "power of a power; r1v: time limit", ""]
    too_long = "longer than 4000000 characters"
    assert of_long[3:] == ["0", "0", "timeout", f"{too_long}; r1v: {too_long}", ""]
    assert json.loads(outcome.stdout)["outcomes"]["timeout"] == 1
    assert "workers: must be at least 1, got 0" in error_of(
        run(answers, tmp_path / "s.csv", "--workers", "0")
    )


def test_missing_file_and_bad_pair(tmp_path):
    assert "missing.jsonl: cannot be read" in error_of(run(tmp_path / "missing.jsonl", tmp_path / "s.csv"))
    answers = write(tmp_path / "answers.jsonl", answer())
    assert "must be TASK=SCORER" in error_of(run(answers, tmp_path / "s.csv", "--scorer", "counting"))


def test_in_the_current_folder(tmp_path, monkeypatch):
    """As README shows it. A traceback: PosixPath('.') has an empty name."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "A.jsonl", answer())
    outcome = entry_points.program("score_answers", "--answers", "A.jsonl", "--scores", "S.csv")
    assert outcome.returncode == 0, outcome.stderr
    assert (tmp_path / "S.csv").read_text().startswith("id,task,")
    assert run("./A.jsonl", "S.csv").returncode == 0


def test_a_byte_order_mark_line_ends_and_empty_last_lines_are_no_answers(tmp_path):
    line = json.dumps(answer()).encode()
    (tmp_path / "answers.jsonl").write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n \n\n")
    outcome = run(tmp_path / "answers.jsonl", tmp_path / "scores.csv")
    assert outcome.returncode == 0, outcome.stderr
    assert json.loads(outcome.stdout)["items"] == 1


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (".", "is a folder; name a file to write"),
        ("..", "is a folder; name a file to write"),
        ("folder/", "is a folder; name a file to write"),
        ("A.jsonl", "exists and has other contents"),
        ("A.jsonl/scores.csv", "cannot be written (File exists)"),
        ("/proc/scores.csv", "cannot be written"),
        ("pipe", "is a pipe or a device; name a file to write"),  # opening it would wait for ever
        ("/dev/stdout", "is a pipe or a device; name a file to write"),
        ("x" * 300, "cannot be written (File name too long)"),
    ],
)
def test_an_output_that_cannot_be_written_is_said_before_the_scoring(tmp_path, monkeypatch, output, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path / "A.jsonl", answer())
    outcome = entry_points.program(
        "score_answers", "--answers", "A.jsonl", "--scores", output
    )  # with a stdout of its own
    assert outcome.returncode == 1
    assert said in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1  # no progress of any scoring


def test_a_scorer_of_a_task_that_no_answer_has_is_named(tmp_path):
    """It was ignored."""
    answers = write(tmp_path / "answers.jsonl", answer())
    said = error_of(run(answers, tmp_path / "s.csv", "--scorer", "couting=counting"))
    assert said.endswith("--scorer couting=counting: no answer is of this task, but of counting")


def test_a_compressed_file_is_named(tmp_path):
    (tmp_path / "A.jsonl.gz").write_bytes(gzip.compress(json.dumps(answer()).encode()))
    said = error_of(run(tmp_path / "A.jsonl.gz", tmp_path / "s.csv"))
    assert "line 1: is not UTF-8 text; unpack or convert the file first" in said
