"""The exact scorer: only the answer tag, compared by value.

Besides the same text, these are right:

- The same exact value, however it is written (spelling.py, expressions.py, number_words.py): 8√3 =
  8\\sqrt{3} = 24/√3, 0.75 = 3/4, 1,200 = 1.2e3, 50% = 50 percent = 1/2, seven = 7, 0.\\overline{3} = 1/3. A
  ratio is its fraction, if the gold has no unit: 3:5 = 6:10 = 3/5.
- For a gold whose decimal does not end, a fraction (2/3) or irrational (8√3), also a decimal: a number of
  at least three significant digits that equals the gold rounded to its last digit (0.667 for 2/3, 13.86 or
  13.9 for 8√3, neither 13.85 nor 14; 204 for 65π). With at least six digits, or "..." after them, digits
  may be cut off instead: 0.66666666, 0.666... For any other gold, a decimal must be exact.
- A unit may be absent in the answer or in the gold. Two units must be of the same kind and are converted:
  1 m = 100 cm, πrad/6 = 30°. Degrees are a unit like others.
- Besides the value, there may only be a name of the asked thing (quantities.py, names.py): "x = 5", "the
  length of AB is 5", an option letter ("B. 30°"), "the answer is". "sin A = 3/5" and "AB:BC = 3:5" are read
  if the gold has no unit. A text with hedges, negations, bounds, alternatives or names of other things is
  not an answer.
- In a chain (AB = 2 × 3 = 6), and in a value given twice (12/5 (2.4)), every part must be right. A part
  after ≈ may have any number of digits and must be the rounded gold. An answer that is only approximate
  ("≈ 5", "about 5") is judged as a value, and is right if a decimal would be.

A gold that cannot be read as a value is compared as text, in plain spelling. A gold without a value (nan,
None, inf, 1/0, or no letter and no digit), or with a tag, is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import lru_cache

from othink_mr1.errors import UserError
from othink_mr1.scoring.answer_tag import answer_text
from othink_mr1.scoring.expressions import Unreadable
from othink_mr1.scoring.number_words import number_from_words
from othink_mr1.scoring.outcomes import Judgement
from othink_mr1.scoring.quantities import Quantity, Reading, is_list, read_answer
from othink_mr1.scoring.spelling import plain_spelling
from othink_mr1.scoring.surds import NotExact, Undefined, rounds_to

_LONGEST_ANSWER = 200  # characters; the longest gold of the published sets has about 20
_LONGEST_COUNT = 18  # digits
_SIGNIFICANT_DIGITS = 3
_DIGITS_TO_CUT = 6  # the digits that single precision always preserves

_NO_VALUE = {"none", "null", "nil", "na", "n/a", "#n/a", "undefined", "unknown", "missing", "\\infty"}
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_COUNT = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)")
_INTEGER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)")


def exact_outcome(completion: str, gold: str, judge: Callable[[str, str], Judgement]) -> Judgement:
    """Judge the completion's answer tag. judge: count_outcome or value_outcome."""
    answer = answer_text(completion)
    return answer if isinstance(answer, Judgement) else judge(answer, gold)


def count_outcome(answer: str, gold: str) -> Judgement:
    """Judge an answer that must be an integer, in digits or English words, and nothing else.

    UserError if the gold is not an integer.
    """
    expected = integer_gold(gold)
    if _INTEGER.fullmatch(answer) and len(answer) <= _LONGEST_COUNT:
        count: int | None = int(answer.replace(",", ""))
    else:
        count = number_from_words(answer) if len(answer) <= _LONGEST_COUNT else None
    if count is None:
        return Judgement("unparseable", "not an integer" if answer else "empty")
    return Judgement("correct") if count == expected else Judgement("wrong", "another number")


def integer_gold(gold: str) -> int:
    """A counting task's gold. UserError if it is not an integer, or negative."""
    if not _COUNT.fullmatch(gold.strip()) or len(gold) > _LONGEST_COUNT:
        raise UserError(
            f"gold {gold[:80]!r}: a counting task's gold must be an integer, 0 or more, in digits"
        )
    return int(gold.replace(",", ""))


@lru_cache(maxsize=4096)
def value_outcome(answer: str, gold: str) -> Judgement:
    """Judge an answer's text by value: a number with or without unit."""
    expected = value_gold(gold)
    if not answer:
        return Judgement("unparseable", "empty")
    if answer == gold.strip():
        return Judgement("correct")
    if len(answer) > _LONGEST_ANSWER:
        return Judgement("unparseable", f"longer than {_LONGEST_ANSWER} characters")
    if expected is None:
        same = _squeezed(answer) == _squeezed(gold)
        return Judgement("correct") if same else Judgement("wrong", "gold is no value; another text")
    text = plain_spelling(answer)
    try:
        reading = read_answer(text)
    except (Unreadable, NotExact) as error:
        if is_list(text):
            return Judgement("several_answers", "several values in the tag")
        return Judgement("unparseable", str(error))
    return _judged(reading, expected)


def _judged(reading: Reading, expected: Quantity) -> Judgement:
    if not reading.parts or (reading.of_ratio and expected.unit is not None):
        return Judgement("unparseable", "not a value")
    for number, (quantity, approximate) in enumerate(reading.parts):
        reason = _difference(quantity, expected, approximate, digits_needed=number == 0)
        if reason is not None:
            return Judgement("wrong", reason)
    return Judgement("correct")


@lru_cache(maxsize=4096)
def value_gold(gold: str) -> Quantity | None:
    """A gold's value; None if it must be compared as text. UserError if no answer can equal it."""
    text = gold.strip()
    none = text.lower().lstrip("+-") in _NO_VALUE or not any(map(str.isalnum, text)) or not _is_finite(text)
    if none or _TAG.search(text):
        raise UserError(
            f"gold {gold[:80]!r}: {'is no value' if none else 'holds a tag'}, "
            "so every answer would be rejected; correct the row"
        )
    if len(text) > _LONGEST_ANSWER:
        return None
    try:
        parts = read_answer(plain_spelling(text)).parts
    except Undefined as error:
        raise UserError(f"gold {gold[:80]!r}: is no value ({error})") from None
    except (Unreadable, NotExact):
        return None
    return parts[0][0] if len(parts) == 1 and not parts[0][1] else None


def _is_finite(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:  # not a literal number
        return True


def _difference(answer: Quantity, gold: Quantity, approximate: bool, digits_needed: bool) -> str | None:
    """Why the answer does not equal the gold, or None if it does."""
    expected = gold.value
    if answer.unit is not None and gold.unit is not None and answer.unit != gold.unit:
        if answer.unit.kind != gold.unit.kind:
            return f"unit differs: {answer.unit.name} / {gold.unit.name}"
        expected = expected * gold.unit.size / answer.unit.size
    if answer.is_ratio and gold.unit is not None:
        return "another value"
    a_decimal_counts = not expected.decimal_ends
    if (
        answer.value == expected
        and not answer.cut
        and (not approximate or not digits_needed or a_decimal_counts)
    ):
        return None
    cut = answer.cut or answer.significant_digits >= _DIGITS_TO_CUT
    decimals = answer.decimals or 0
    equal = (not answer.cut and rounds_to(expected, answer.value, decimals)) or (
        cut and rounds_to(expected, answer.value, decimals, down=True)
    )
    if approximate and not digits_needed:  # a remark after the exact value
        return None if equal else "another value"
    if not a_decimal_counts:
        return "only approximate" if answer.value == expected else "another value"
    if not equal:
        return "another value"
    if answer.decimals is None:
        return "neither exact nor a decimal"
    return None if answer.significant_digits >= _SIGNIFICANT_DIGITS else "too few digits"


def _squeezed(text: str) -> str:
    return plain_spelling(text[: 2 * _LONGEST_ANSWER]).replace(" ", "")
