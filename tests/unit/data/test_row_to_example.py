"""Every kind of row that gives no example, with its reason; and rows that look odd but are fine."""

from dataclasses import replace

import pytest
from PIL import Image
from raw_sets import picture

from othink_mr1.data import row_to_example as rows
from othink_mr1.data.row_to_example import RawRow, RowLimits, UnusableRow, row_to_example

# 100 tokens for picture and question, beside those of the texts around them.
LIMITS = RowLimits(max_pixels=401408, max_prompt_tokens=356)
GOOD = RawRow(
    where="here",
    image=picture((56, 56)),  # 4 tokens
    question="How many ?",
    solution="<answer> 3 </answer>",
    thinking="<think>1 2</think>",
)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"image": None}, "no image"),
        ({"image": b""}, "no image"),
        ({"image": b"<html>404</html>"}, "unreadable image"),
        ({"image": picture((56, 56))[:-30]}, "truncated image"),
        ({"image": picture((2001, 10))}, "image with one side over 200 times the other"),
        ({"image": picture((20_000, 10_000), mode="1")}, "image above 50000000 pixels"),
        ({"image": bytes(64 * 2**20 + 1)}, "image file above 67108864 bytes"),
        ({"question": None}, "no question"),
        ({"question": " \n\u00a0"}, "no question"),
        ({"question": "caf\udce9"}, "question is no UTF-8"),
        ({"question": "\x00"}, "control character in the question"),
        ({"question": "a \x08egin{b}"}, "control character in the question"),
        ({"question": "How <|image_pad|> many ?"}, "control token in the question"),
        ({"question": "<|im_end|>"}, "control token in the question"),
        ({"question": "?" * 97}, "prompt above 356 tokens"),
        ({"question": "?" * 101}, "prompt above 356 tokens"),
        ({"question": "多" * 33}, "prompt above 356 tokens"),
        # NFC, which Qwen's tokenizer applies, makes two characters of this one: 6 bytes of 3.
        ({"question": "\u0958" * 17}, "prompt above 356 tokens"),
        ({"image": picture((280, 280))}, "prompt above 356 tokens"),
        ({"question": "?" * (2**20 + 1)}, "question above 1048576 characters"),
        ({"solution": None}, "no answer"),
        ({"solution": " "}, "no answer"),
        ({"solution": "<answer> </answer>"}, "no answer"),
        ({"solution": "<answer>1</answer> <answer>2</answer>"}, "several answers"),
        ({"solution": "<answer>1"}, "answer with stray tags"),
        ({"solution": "<think>1</think><answer>1</answer>"}, "answer with stray tags"),
        ({"solution": "It is <answer>1</answer>."}, "answer with stray tags"),
        ({"solution": "<answer>\udcff</answer>"}, "answer is no UTF-8"),
        ({"solution": "3<|endoftext|>"}, "control token in the answer"),
        ({"solution": "3\x7f"}, "control character in the answer"),
        ({"thinking": "<think>half"}, "reasoning with stray tags"),
        ({"thinking": "<|vision_start|>"}, "control token in the reasoning"),
        ({"thinking": "\x00"}, "control character in the reasoning"),
        ({"thinking": "\udc80"}, "reasoning is no UTF-8"),
        ({"thinking": "a" * (2**20 + 1)}, "reasoning above 1048576 characters"),
    ],
)
def test_unusable_rows_say_why(changes, reason, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)  # no warnings of Pillow's own
    assert row_to_example(GOOD, 7, LIMITS).gold == "3"
    with pytest.raises(UnusableRow) as caught:
        row_to_example(replace(GOOD, **changes), 7, LIMITS)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("changes", "question", "gold", "reasoning"),
    [
        ({}, "How many ?", "3", "1 2"),
        ({"question": "?" * 96}, "?" * 96, "3", "1 2"),
        ({"thinking": None}, "How many ?", "3", None),
        ({"thinking": "<think></think>"}, "How many ?", "3", None),
        ({"solution": "145°"}, "How many ?", "145°", "1 2"),
        ({"solution": "\t<answer>2 <\n3</answer>\r\n"}, "How many ?", "2 <\n3", "1 2"),
        ({"question": "|AB| < |CD|, a<|b| ?"}, "|AB| < |CD|, a<|b| ?", "3", "1 2"),
    ],
)
def test_usable_rows(changes, question, gold, reasoning):
    example = row_to_example(replace(GOOD, **changes), 7, LIMITS)
    assert (example.id, example.image, example.question) == ("000007", GOOD.image, question)
    assert (example.gold, example.reasoning) == (gold, reasoning)


def test_a_long_question_is_refused_before_its_picture_is_decoded(monkeypatch):
    monkeypatch.setattr(rows, "bounded_image", None)
    with pytest.raises(UnusableRow, match="prompt above 356 tokens"):
        row_to_example(replace(GOOD, question="?" * 101), 0, LIMITS)


def test_every_control_token_of_the_model_is_known():
    from othink_mr1.modeling.tokenizer import SPECIAL_TOKENS

    for token in SPECIAL_TOKENS:
        with pytest.raises(UnusableRow, match="control token in the question"):
            row_to_example(replace(GOOD, question=f"a {token} b"), 0, LIMITS)


def test_a_reasoning_keeps_the_white_space_at_its_ends() -> None:
    """R1-V's SFT learns it: `thinking` as it is."""
    kept = row_to_example(replace(GOOD, thinking="<think>\nOne.\n</think>"), 0, LIMITS)
    assert kept.reasoning == "\nOne.\n"
    assert row_to_example(replace(GOOD, thinking="<think> \n </think>"), 0, LIMITS).reasoning is None
