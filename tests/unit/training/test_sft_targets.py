"""What SFT learns: the three targets on a real batch, as tokens and as what the loss is on."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from trainings import Train

from othink_mr1.data.examples import Example, write_examples
from othink_mr1.errors import UserError
from othink_mr1.modeling.prompts import fill_template
from othink_mr1.training import sft_runs
from othink_mr1.training.accelerator import new_accelerator
from othink_mr1.training.runs import TrainingRun
from othink_mr1.training.sft_runs import sft_lessons
from othink_mr1.training.supervised import Lesson, supervised_backward
from run_contents import metrics
from tiny import EXAMPLES, QUESTIONS, TARGETS, TEMPLATE, Tiny, description, execution, picture, sft_settings

IMAGE = "<|image_pad|>" * 4  # 56 x 56 pixels
PROMPT = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "<|im_start|>user\n<|vision_start|>IMAGE<|vision_end|>QUESTION<|im_end|>\n"
    "<|im_start|>assistant\n"
)
# R1-V's sft.py at bbbbe3d: its messages (lines 103-141) by Qwen2-VL's chat template.
R1V = (
    "<|im_start|>system\n"
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The "
    "assistant first thinks about the reasoning process in the mind and then provides the user with the "
    "answer. The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> "
    "tags, respectively, i.e., <think> reasoning process here </think><answer> answer here </answer>"
    "<|im_end|>\n"
    "<|im_start|>user\nHow many items are there?<|vision_start|>IMAGE<|vision_end|><|im_end|>\n"
    "<|im_start|>assistant\nTARGET<|im_end|>\n"
    "<|im_start|>assistant\n"
)


def lessons(tiny: Tiny, target: str, tmp_path: Path, examples: list[Example]) -> list[Lesson]:
    """As a run makes them, in the order of the examples."""
    file = tmp_path / f"{target}.parquet"
    write_examples(examples, file)
    settings = sft_settings(target=target, batch_size=len(examples))
    with pytest.MonkeyPatch.context() as patch, ExitStack() as background:
        patch.setattr("othink_mr1.training.runs.example_indices", lambda *_: list(range(len(examples))))
        training = TrainingRun(description(settings), settings, execution(), file, tiny.folder, background)
        return sft_lessons(training, settings)(1)


@pytest.mark.parametrize(
    ("target", "example", "learned"),
    [
        ("answer", EXAMPLES[0], "<answer> 3 </answer>"),
        ("reasoning", EXAMPLES[0], TARGETS[0]),
        ("reasoning", Example("1", picture(2), QUESTIONS[1], "145°", None), TARGETS[1]),
    ],
)
def test_the_target_alone_is_learned(
    target: str, example: Example, learned: str, tiny: Tiny, tmp_path: Path
) -> None:
    (lesson,) = lessons(tiny, target, tmp_path, [EXAMPLES[0], example])[1:]
    decode = tiny.processor.tokenizer.decode
    question = fill_template(TEMPLATE, example.question)
    assert decode(lesson.prompt.token_ids) == PROMPT.replace("IMAGE", IMAGE).replace("QUESTION", question)
    assert decode(lesson.target) == learned + "<|im_end|>"
    assert not lesson.predicted


@pytest.mark.parametrize(
    ("example", "target"),
    [
        (EXAMPLES[0], "<think>Row by row: 2 1. Together 3.</think>\n\n<answer> 3 </answer>"),
        (Example("1", picture(2), QUESTIONS[0], "145°", None), "None\n\n<answer> 145° </answer>"),
        (
            Example("2", picture(2), QUESTIONS[0], "3", "\nOne.\nTwo.\n"),
            "<think>\nOne.\nTwo.\n</think>\n\n<answer> 3 </answer>",
        ),
    ],
)
def test_r1vs_text_to_the_letter(example: Example, target: str, tiny: Tiny, tmp_path: Path) -> None:
    (lesson,) = lessons(tiny, "r1v", tmp_path, [example])
    decode = tiny.processor.tokenizer.decode
    tokens = lesson.prompt.token_ids
    assert decode(tokens) == R1V.replace("IMAGE", IMAGE).replace("TARGET", target)
    # All is learned but the image, and the first token, before which nothing stands.
    learned = decode(tokens[list(lesson.predicted)])
    assert learned == R1V.replace("IMAGE", "").replace("TARGET", target).removeprefix("<|im_start|>")
    assert lesson.target == []


@pytest.mark.parametrize("target", ["reasoning", "r1v"])
def test_the_loss_is_transformers_own_on_a_padded_batch(target: str, tiny: Tiny, tmp_path: Path) -> None:
    """Labels are -100 for padding and the prompt; for r1v, as by its collate_fn, for the image."""
    from transformers import Qwen2VLForConditionalGeneration

    made = lessons(tiny, target, tmp_path, EXAMPLES[:2])
    stock = Qwen2VLForConditionalGeneration.from_pretrained(tiny.folder, attn_implementation="sdpa")
    rows = [torch.cat([lesson.prompt.token_ids, torch.tensor(lesson.target).long()]) for lesson in made]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
    is_image = ids == stock.config.image_token_id
    labels = ids.masked_fill(is_image | (mask == 0), -100)
    if target != "r1v":
        for row, lesson in enumerate(made):
            labels[row, : len(lesson.prompt)] = -100
    expected = stock(
        input_ids=ids,
        attention_mask=mask,
        labels=labels,
        mm_token_type_ids=is_image.long(),
        pixel_values=torch.cat([lesson.prompt.pixel_values for lesson in made]),
        image_grid_thw=torch.cat([lesson.prompt.image_grid for lesson in made]),
    ).loss
    expected.backward()
    for row_tokens in (10_000, 10):  # both in a row, one a row
        tiny.model.zero_grad()
        loss, tokens = supervised_backward(new_accelerator("cpu"), tiny.model, made, "fp32", row_tokens)
        assert tokens == int((labels[:, 1:] != -100).sum())
        assert loss == pytest.approx(expected.item(), rel=1e-5)
        for (name, ours), (_, theirs) in zip(
            tiny.model.named_parameters(), stock.named_parameters(), strict=True
        ):
            torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-5, rtol=1e-3, msg=name)


@pytest.mark.parametrize("target", ["answer", "reasoning", "r1v"])
def test_each_target_trains(target: str, train: Train) -> None:
    rows = metrics(train("sft", sft_settings(target=target, learning_rate=0.01)))
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])


def test_reasoning_that_a_set_has_not_is_refused_before_the_first_step(
    train: Train,
    examples_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def no_step(*_: Any) -> None:
        raise AssertionError("a step was made")

    write_examples(EXAMPLES[1:], examples_file)
    with monkeypatch.context() as patch:
        patch.setattr(sft_runs, "train_supervised", no_step)
        with pytest.raises(
            UserError, match=r"run counting-test.*no example of .* has one; set target: answer"
        ):
            train("sft", sft_settings(target="reasoning"))
    write_examples(EXAMPLES, examples_file)
    train("sft", sft_settings(target="reasoning"), "mixed")
    assert (
        "6 of 7 examples have no reasoning: of these the answer alone is learned" in capsys.readouterr().err
    )
