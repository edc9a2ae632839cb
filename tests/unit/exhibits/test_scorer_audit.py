"""The audit of the scorers: tables and items of literal answers, and texts that mean harm."""

import csv
import json

import pytest
from entry_points import run

from othink_mr1.artefacts.manifests import seal, write_sealed_text
from othink_mr1.exhibits.scorer_audit import COLUMNS, LONGEST
from othink_mr1.scoring.answers import Answer
from othink_mr1.scoring.scores import score_answers, write_scores
from othink_mr1.scoring.workers import shared_workers

# task -> (id, gold, completion)
ANSWERS = {
    "geometry": [
        ("both", "50", "<think>so</think> <answer> 50 </answer>"),
        ("neither", "50", "<think>so</think> <answer> 60 </answer>"),
        ("root", "8√{3}", "<think>as AB = 8</think>\n<answer> 8 </answer>"),  # r1v reads this gold as 8
        ("none", "50", "Adding up,\n\tthe angle is 50"),
        ("two", "50", "<answer> 40 </answer> or <answer> 50 </answer>"),
        ("close", "80°", "<think>so</think> <answer>80</answer>"),  # and sees no number between tags
    ],
    "counting": [
        ("both", "7", "<answer> 7 </answer>"),
        ("words", "7", "<answer> seven </answer>"),
        ("two", "7", "<answer> 7 </answer> no, <answer> 8 </answer>"),
    ],
}
FINAL = {"seed": 42, "step": None, "steps": 9, "format_weight": None, "kl_weight": None, "kl_schedule": None}


def write_evaluation(root, task, answers, step=None):
    """Answers, really scored, and their row of a plan."""
    rows = [Answer(name, task, "q", gold, completion, truncated=False) for name, gold, completion in answers]
    row = {"backbone": "small", "method": "sft", "trained_on": "geometry", "tested_on": task, "run": "run-1"}
    row |= FINAL | {"point": "p", "varied": {}, "step": step, "examples": "e.parquet", "leaks": None}
    row |= {"answers": f"answers/{task}.jsonl", "scores": f"scores/{task}.csv"}
    (root / "answers").mkdir(exist_ok=True)
    (root / row["answers"]).write_text("".join(json.dumps(vars(answer)) + "\n" for answer in rows))
    write_scores(root / row["scores"], score_answers(rows, {task: task}, shared_workers()), "")
    return row


def audit(root, *evaluations):
    """Call the command. What it says on failure, or the lines of its csv."""
    plan, output = root / "plan.json", root / "scorer_audit.csv"
    plan.write_text(json.dumps({"exhibit": "scorer_audit", "evaluations": evaluations, "code": "not read"}))
    arguments = ["--plan", plan, "--results", root, "--output", output]
    failed = run("audit_scores", *arguments)
    if failed:
        assert not output.exists()
        return failed
    with open(output, newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream, strict=True))
    output.unlink()
    return lines


def items(lines):
    columns = ("id", "r1v_correct", "exact_correct", "gold", "answer", "completion_end", "outcome", "reason")
    return [tuple(line[column] for column in columns) for line in lines if line["kind"] == "item"]


def tables(lines):
    """Per table its items by both verdicts, r1v's first; its rows must be in the order of these."""
    rows = [line for line in lines if line["kind"] == "table"]
    verdicts = [row["r1v_correct"] + row["exact_correct"] for row in rows]
    assert verdicts == ["11", "10", "01", "00"] * (len(rows) // 4)
    return [
        {row["r1v_correct"] + row["exact_correct"]: row["items"] for row in rows[start : start + 4]}
        for start in range(0, len(rows), 4)
    ]


def test_tables_and_items_of_literal_answers(tmp_path):
    plan = [write_evaluation(tmp_path, task, answers) for task, answers in ANSWERS.items()]
    lines = audit(tmp_path, *plan)
    assert tuple(lines[0]) == COLUMNS
    assert tables(lines) == [
        {"11": "1", "10": "3", "01": "1", "00": "1"},
        {"11": "1", "10": "1", "01": "1", "00": "0"},
    ]
    reasons = {"wrong": "another value", "no_answer_tag": "no tag", "several_answers": "2 different answers"}
    assert items(lines) == [
        (*verdicts, gold, answer, end, outcome, reasons.get(outcome, ""))
        for *verdicts, gold, answer, end, outcome in (
            ("root", "1", "0", "8√{3}", "8", "<think>as AB = 8</think> <answer> 8 </answer>", "wrong"),
            ("none", "1", "0", "50", "", "Adding up, the angle is 50", "no_answer_tag"),
            ("two", "1", "0", "50", "", ANSWERS["geometry"][4][2], "several_answers"),
            ("close", "0", "1", "80°", "80", "<think>so</think> <answer>80</answer>", "correct"),
            ("words", "0", "1", "7", "seven", "<answer> seven </answer>", "correct"),
            ("two", "1", "0", "7", "", ANSWERS["counting"][2][2], "several_answers"),
        )
    ]
    # An evaluation's table comes first, then its items; all rows say which evaluation they are of.
    assert [line["kind"] for line in lines] == ["table"] * 4 + ["item"] * 4 + ["table"] * 4 + ["item"] * 2
    about = ("backbone", "method", "run", "step", "trained_on", "tested_on", "seed")
    assert {tuple(line[column] for column in about) for line in lines} == {
        ("small", "sft", "run-1", "", "geometry", task, "42") for task in ANSWERS
    }
    assert {(line["point"], line["varied"]) for line in lines} == {("p", "")}
    assert {line["items"] for line in lines if line["kind"] == "item"} == {"1"}


def test_settings_that_vary_stand_beside_each_row(tmp_path):
    row = write_evaluation(tmp_path, "counting", ANSWERS["counting"][:1])
    rates = [row | {"point": rate, "varied": {"learning_rate": rate}} for rate in ("0.1", "1")]
    shown = [(line["point"], line["varied"]) for line in audit(tmp_path, *rates)]
    assert shown == [("0.1", "learning_rate=0.1")] * 4 + [("1", "learning_rate=1")] * 4


def test_a_backbone_and_a_step(tmp_path):
    row = write_evaluation(tmp_path, "counting", ANSWERS["counting"][:1])
    lines = audit(
        tmp_path, row | {"method": "base", "trained_on": None, "seed": None}, row | {"step": 1234567}
    )
    shown = [(line["method"], line["trained_on"], line["seed"], line["step"]) for line in lines]
    assert shown == [("base", "", "", "")] * 4 + [("sft", "geometry", "42", "1234567")] * 4


def test_other_tasks_in_the_files_are_not_looked_at(tmp_path):
    row = write_evaluation(tmp_path, "counting", ANSWERS["counting"])
    alone = audit(tmp_path, row)
    other = vars(Answer("words", "geometry", "q", "1", "<answer> 1 </answer>", truncated=False))
    with open(tmp_path / row["answers"], "a") as stream:
        stream.write(json.dumps(other) + "\n")
    with open(tmp_path / row["scores"], "a") as stream:
        stream.write("words,geometry,0,1,0,wrong,,0\n")
    seal(tmp_path / row["scores"])
    assert audit(tmp_path, row) == alone


def test_hostile_texts_stay_texts(tmp_path):
    """Ids, golds and completions that are formulas, or have quotes, line ends and control characters."""
    formula = '=HYPERLINK("http://x","y")'
    answers = [
        ("=cmd|' /C calc'!A0", formula, f"@\r\n\u2028\x00<answer>{formula}</answer>"),
        ("NA", "80", "<answer>80</answer>"),
        ('q", "', "50", f"@{'y' * 999}<answer> -{'z' * 999} 50 </answer>"),
    ]
    lines = audit(tmp_path, write_evaluation(tmp_path, "geometry", answers))
    assert tables(lines) == [{"11": "0", "10": "1", "01": "2", "00": "0"}]
    first, second, third = items(lines)
    assert first[0] == "'=cmd|' /C calc'!A0"
    assert first[3:6] == (f"'{formula}", f"'{formula}", f"'@ □<answer>{formula}</answer>")
    assert second[0] == "NA"
    assert third[0] == 'q", "'
    assert (third[4][:3], third[4][-1], len(third[4])) == ("'-z", "…", LONGEST + 1)
    assert (third[5][:2], third[5][-14:], len(third[5])) == ("…z", "z 50 </answer>", LONGEST)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("scores", None, "scores/counting.csv: there is no such file; let snakemake score the answers"),
        ("answers", None, "answers/counting.jsonl: cannot be read (No such file or directory)"),
        ("scores", lambda text: text.replace("reason", "why"), "has no column 'reason'"),
        ("scores", lambda text: text.replace("words", "both"), "has id 'both' of task 'counting' twice"),
        ("answers", lambda text: text + "{}\n", "answers/counting.jsonl, line 4: has no 'id'"),
        (
            "answers",
            lambda text: "".join(text.splitlines(keepends=True)[1:]),
            "counting.jsonl: only the scores have counting item 'both'; remove the scores and let snakemake",
        ),
        (
            "scores",
            lambda text: "".join(text.splitlines(keepends=True)[:-1]),
            "counting.jsonl: only the answers have counting item 'two'; remove the scores and let snakemake",
        ),
    ],
)  # fmt: skip
def test_missing_and_unfitting_files_are_one_line(tmp_path, file, change, said):
    row = write_evaluation(tmp_path, "counting", ANSWERS["counting"])
    path = tmp_path / row[file]
    if change is None:
        path.unlink()
    else:
        write_sealed_text(path, change(path.read_text()))
    message = audit(tmp_path, row)
    assert said in message
    assert message.startswith("error: ")
    assert "\n" not in message


def test_a_plan_of_nothing_is_one_line(tmp_path):
    assert "plan.json: " in audit(tmp_path)
