"""Asking a checkpoint: the text of generate, the evaluation's pictures, one line for mistakes."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from entry_points import program, run
from PIL import Image
from transformers import Qwen2VLForConditionalGeneration

import warm_python
from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.verification import verify_folder
from othink_mr1.data.examples import write_examples
from othink_mr1.data.row_to_example import RowLimits
from othink_mr1.errors import UserError
from othink_mr1.evaluation.asking import ask, asked
from othink_mr1.evaluation.checkpoints import checkpoint_in, checkpoint_of_run, checkpoints_of_task
from othink_mr1.evaluation.generate import generate_answers
from othink_mr1.evaluation.generation_task import GenerationTask
from othink_mr1.modeling.processor import load_processor
from othink_mr1.plan.folders import backbone_folder
from othink_mr1.plan.runs import all_runs
from othink_mr1.training.sft_runs import train_sft_run
from repository import REPOSITORY, study
from tiny import EXAMPLES, GENERATION, Tiny, description, execution, picture, sft_settings

LIMITS = RowLimits(401408, 2048)
TASK = GenerationTask(name="counting", prompt="{question} Think.", max_new_tokens=12)
QUESTIONS = ["How many items are there?", "angle A = 80.0"]


@pytest.fixture
def of_trl(tiny: Tiny, tmp_path: Path) -> Path:
    """A checkpoint that TRL has trained and saved."""
    folder = tmp_path / "trl"
    trl = str(REPOSITORY / "tests/train_by_trl.py")
    subprocess.run(warm_python.command(trl, str(tiny.folder), str(folder)), check=True)
    return folder


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "my.png").write_bytes(picture(3))
    return tmp_path / "my.png"


def generated(folder: Path, image: bytes, text: str) -> str:
    """By transformers alone."""
    model = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    processor = load_processor(folder)
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
    dialogue = processor.apply_chat_template([message], tokenize=False, add_generation_prompt=True)
    shown = Image.open(io.BytesIO(image)).convert("RGB")
    inputs = processor(text=[dialogue], images=[shown], return_tensors="pt")
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=TASK.max_new_tokens)
    completion = tokens[0, inputs["input_ids"].shape[1] :]
    text = processor.tokenizer.decode(
        completion, skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return str(text)


@pytest.fixture
def ours(tiny: Tiny, tmp_path: Path) -> Path:
    """A checkpoint that our trainer has trained; the set is beside its run."""
    write_examples(EXAMPLES, tmp_path / "examples.parquet")
    settings = sft_settings(steps=2, checkpoint_steps=[], learning_rate=0.001)
    run = tmp_path / "run"
    train_sft_run(description(settings), execution(), tmp_path / "examples.parquet", tiny.folder, run)
    return run / "checkpoint"


@pytest.mark.parametrize("whose", ["ours", "of_trl"])
def test_the_text_is_that_of_generate(whose: str, image: Path, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(whose)
    examples = asked(image, QUESTIONS, LIMITS)
    found = ask(folder, examples, TASK, "fp32", 1)
    expected = [generated(folder, example.image, f"{example.question} Think.") for example in examples]
    assert [completion.completion for completion in found] == expected
    assert any(expected)


def test_a_test_item_gets_the_completion_of_its_answer(ours: Path, tmp_path: Path) -> None:
    out = tmp_path / "answers"
    generate_answers(ours, "run", GENERATION, "fp32", TASK, tmp_path / "examples.parquet", out)
    answers = [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]
    assert len(answers) == len(EXAMPLES)
    for example, answer in zip(EXAMPLES, answers, strict=True):
        (tmp_path / "item.png").write_bytes(example.image)
        (found,) = ask(ours, asked(tmp_path / "item.png", [example.question], LIMITS), TASK, "fp32", 1)
        assert found.completion == answer["completion"]


def test_the_picture_is_prepared_as_a_test_set_s(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (2000, 1000)).save(stream, "BMP")
    (tmp_path / "large.bmp").write_bytes(stream.getvalue())
    (example,) = asked(tmp_path / "large.bmp", ["q"], RowLimits(100_000, 2048))
    with Image.open(io.BytesIO(example.image)) as shown:
        assert shown.format == "PNG"
        assert shown.width * shown.height <= 100_000


@pytest.mark.parametrize(
    ("question", "said"),
    [
        (" ", "no question"),
        ("a <|im_end|> b", "control token in the question"),
        ("x" * 3000, "above 2048 tok"),
    ],
)
def test_questions_that_cannot_be_asked(question: str, said: str, image: Path) -> None:
    with pytest.raises(UserError, match=f"my.png, question .*: .*{said}"):
        asked(image, [question], LIMITS)


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(UserError, match=r"text\.png, question 'q': unreadable image"):
        asked(tmp_path / "text.png", ["q"], LIMITS)
    with pytest.raises(UserError, match=r"gone.png: cannot be read \(.*No such file"):
        asked(tmp_path / "gone.png", ["q"], LIMITS)


def finished(folder: Path, task: str) -> Path:
    with filling(folder, {"run": {"name": folder.name, "task": task}}) as artefact:
        (folder / "checkpoint").mkdir()
        (folder / "checkpoint/config.json").write_text("{}")
        artefact.finish()
    return folder


def test_a_run_by_the_beginning_of_its_name(tmp_path: Path) -> None:
    for name in ("counting-grpo-a1-s42-aa", "counting-grpo-a1-s43-bb", "counting-grpo-d-a1-s42-cc"):
        finished(tmp_path / "runs" / name, "counting")
    (tmp_path / "runs/counting-sft-s42-dd").mkdir()  # still trains
    found = checkpoint_of_run(tmp_path, "counting-grpo-d")
    assert (found.name, found.task) == ("counting-grpo-d-a1-s42-cc", "counting")
    assert found.folder == tmp_path / "runs/counting-grpo-d-a1-s42-cc/checkpoint"
    with pytest.raises(
        UserError, match="several runs begin so: counting-grpo-a1-s42-aa, counting-grpo-a1-s43"
    ):
        checkpoint_of_run(tmp_path, "counting-grpo-a1")
    with pytest.raises(UserError, match=r"no finished run in .* begins so: counting-grpo-a1-s42-aa, "):
        checkpoint_of_run(tmp_path, "counting-sft")


def test_a_folder_tells_its_task_if_it_is_a_run_s(tiny: Tiny, tmp_path: Path) -> None:
    run = finished(tmp_path / "geometry-sft", "geometry")
    assert checkpoint_in(run / "checkpoint").task == "geometry"
    shutil.copytree(tiny.folder, tmp_path / "theirs")
    assert checkpoint_in(tmp_path / "theirs").task is None
    with pytest.raises(UserError, match="no checkpoint here"):
        checkpoint_in(tmp_path)
    with pytest.raises(UserError, match=r"the run's last one is .*geometry-sft/checkpoint$"):
        checkpoint_in(run)


def test_all_methods_of_a_task_with_one_seed(tmp_path: Path) -> None:
    config = study("mini/study.yaml", results=str(tmp_path))
    with pytest.raises(UserError, match="has no finished run that was trained on counting"):
        checkpoints_of_task(config, "counting", None)
    backbone = tmp_path / backbone_folder(config, "small_qwen2_vl")
    with filling(backbone, {}) as artefact:
        artefact.finish()
    for planned in all_runs(config):
        if planned.trained:
            finished(tmp_path / "runs" / planned.name, str(planned.task))
    found = checkpoints_of_task(config, "counting", None)
    methods = [checkpoint.name.split("-s42-")[0] for checkpoint in found]
    assert methods[0].startswith("base-")
    assert methods[1:] == [
        *("counting-sft", "counting-grpo-alpha1-beta0.3", "counting-grpo-d-alpha1", "counting-sft-answer"),
    ]
    assert found[0].folder == backbone
    assert {
        checkpoint.name.split("-")[-2] for checkpoint in checkpoints_of_task(config, "counting", 44)[1:]
    } == {"s44"}
    verify_folder(backbone)


def test_only_a_method_s_usual_settings_are_compared(tmp_path: Path) -> None:
    config = study("mini/study.yaml", results=str(tmp_path))
    finished_yet = (
        "geometry-sft-s42-",
        "geometry-grpo-alpha0-beta0.3-s42-",
        "geometry-grpo-alpha1-beta3-s42-",
    )
    for planned in all_runs(config):
        if planned.name.startswith(finished_yet):
            finished(tmp_path / "runs" / planned.name, str(planned.task))
    (found,) = checkpoints_of_task(config, "geometry", None)
    assert found.name.startswith("geometry-sft-s42-")


def test_each_backbone_has_its_own_methods(tmp_path: Path) -> None:
    both = ["small_qwen2_vl", "qwen2_vl_2b_instruct"]
    mine = {"tasks": ["geometry"], "methods": ["sft"], "tested_on": "own", "backbones": both}
    config = study("mini/study.yaml", results=str(tmp_path), studies={"mine": mine})
    for planned in all_runs(config):
        if planned.method == "sft":
            finished(tmp_path / "runs" / planned.name, str(planned.task))
    found = checkpoints_of_task(config, "geometry", None)
    assert [name.rpartition("-s42-")[0] for name in (one.name for one in found)] == [
        "geometry-sft",
        "geometry-sft-qwen2_vl_2b_instruct",
    ]


def test_the_program(tiny: Tiny, image: Path, tmp_path: Path) -> None:
    # As Windows writes it.
    (tmp_path / "questions.txt").write_bytes(b"\xef\xbb\xbfHow many?\r\n\r\nWhich angle?\r\n")
    asking = ("--checkpoint", tiny.folder, "--image", image, "--task", "counting")
    overlay = tmp_path / "short.yaml"
    overlay.write_text("tasks: {counting: {max_new_tokens: 5}}\nevaluation: {precision: fp32}\n")
    asking += ("--questions", tmp_path / "questions.txt", "--overlay", overlay)
    done = program("ask", *asking, cwd=REPOSITORY, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert [line for line in done.stdout.splitlines() if line.startswith("? ")] == [
        "? How many?",
        "? Which angle?",
    ]
    assert done.stdout.count("[cut at 5 tokens]") <= 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--task", "conting", "q"), "--task: unknown task 'conting'; did you mean counting?"),
        (("q",), "nothing says what it was trained on; give --task"),
        (("--task", "counting"), "no question: write one, in quotes"),
        (("--task", "counting", "--prompt", "Count!", "q"), "--prompt: must have {question} in it"),
        (
            ("--task", "counting", "--prompt", "<|image_pad|> {question}", "q"),
            "--prompt: must not have <|image_pad|>, which is a token of the model's own",
        ),
        (("--task", "counting", "--prompt", "{a} {question}", "q"), "--prompt: String should match pattern"),
    ],
)
def test_mistakes_end_in_one_line(
    arguments: tuple[str, ...],
    said: str,
    tiny: Tiny,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(REPOSITORY)
    error = run("ask", "--checkpoint", tiny.folder, "--image", image, *arguments)
    assert said in error
    assert len(error.splitlines()) == 1
    assert capfd.readouterr().err == ""
