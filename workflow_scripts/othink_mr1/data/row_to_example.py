"""From a raw row to an example, or to the reason why the row is unusable."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from othink_mr1.config.strict import CONTROL_TOKEN
from othink_mr1.config.study import TEMPLATE_ALLOWANCE
from othink_mr1.data.examples import Example
from othink_mr1.data.images import UnusableImage, bounded_image, image_tokens

LARGEST_TEXT = 2**20  # characters of a question, an answer or a reasoning

_ANSWER = re.compile(r"\s*<answer>(.*?)</answer>\s*", re.DOTALL)
_THINK = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)
_TAG = re.compile(r"</?(?:answer|think)>")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class RawRow:
    """One row as a raw set has it, before anything is checked; absent values are None.

    where: file and row, for messages. Bytes that are not UTF-8 are lone surrogates in the texts (Python's
    `surrogateescape`). unusable: why the row gives no example, if that was seen when it was read.
    """

    where: str
    image: bytes | None
    question: str | None
    solution: str | None
    thinking: str | None
    unusable: UnusableRow | None = None


class UnusableRow(ValueError):
    """A row that gives no example; the message is the reason, the same text for all rows of its kind.

    detail: what is wrong with this row, if the reason is not enough.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.detail = detail


@dataclass(frozen=True)
class RowLimits:
    """max_pixels: larger images are shrunk. max_prompt_tokens: rows with longer prompts are unusable.

    A prompt has the image's tokens, the question's (one per byte), and TEMPLATE_ALLOWANCE for the task's own
    text and the chat template; the config check refuses a task that needs more.
    """

    max_pixels: int
    max_prompt_tokens: int


def row_to_example(row: RawRow, number: int, limits: RowLimits) -> Example:
    """The example of a raw row; its id is the row's number in the raw set. UnusableRow if there is none."""
    if row.unusable is not None:
        raise row.unusable
    if not row.image:
        raise UnusableRow("no image")
    if not row.question or not row.question.strip():
        raise UnusableRow("no question")
    for text, what in ((row.question, "question"), (row.solution, "answer"), (row.thinking, "reasoning")):
        _check_text(text or "", what)
    gold = _inner(_ANSWER, row.solution or "", "answer")
    if gold is None:
        raise UnusableRow("no answer")
    reasoning = _inner(_THINK, row.thinking or "", "reasoning", strip=False)
    # Before the slow part, decoding the picture.
    text_tokens = _most_tokens(row.question) + TEMPLATE_ALLOWANCE
    _check_prompt(text_tokens, limits)
    try:
        picture = bounded_image(row.image, limits.max_pixels)
    except UnusableImage as error:
        raise UnusableRow(str(error)) from error
    _check_prompt(image_tokens(picture.width, picture.height) + text_tokens, limits)
    return Example(f"{number:06d}", picture.data, row.question, gold, reasoning)


def _check_text(text: str, what: str) -> None:
    if len(text) > LARGEST_TEXT:
        raise UnusableRow(f"{what} above {LARGEST_TEXT} characters")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UnusableRow(f"{what} is no UTF-8") from error
    if _CONTROL_CHARACTER.search(text):
        raise UnusableRow(f"control character in the {what}")
    if CONTROL_TOKEN.search(text):
        raise UnusableRow(f"control token in the {what}")


def _most_tokens(text: str) -> int:
    """The most tokens that a byte-level tokenizer can give for a text: one per byte.

    Qwen's first normalises the text (NFC), which makes a few characters longer.
    """
    return max(len(text.encode()), len(unicodedata.normalize("NFC", text).encode()))


def _check_prompt(tokens: int, limits: RowLimits) -> None:
    if tokens > limits.max_prompt_tokens:
        raise UnusableRow(f"prompt above {limits.max_prompt_tokens} tokens")


def _inner(tag: re.Pattern[str], text: str, what: str, strip: bool = True) -> str | None:
    """The text within the tag, or the whole text if it has no tag; None if that is empty.

    strip: without white space at its ends. R1-V's SFT keeps that of a reasoning.
    """
    match = tag.fullmatch(text)
    inner = match[1] if match else text
    inner = inner.strip() if strip or not inner.strip() else inner
    if _TAG.search(inner):
        # `<answer> 1 </answer> <answer> 2 </answer>`; or an unpaired tag, a <think> in the answer …
        several = what == "answer" and text.count("<answer>") > 1
        raise UnusableRow("several answers" if several else f"{what} with stray tags")
    return inner or None
