"""The exact scorer: the answer tag alone, compared by value.

What counts as right, beyond the same text:

- The same exact value, however it is written (spelling.py, expressions.py): 8√3 = 8\\sqrt{3} = 24/√3,
  0.75 = 3/4, 1,200 = 1200, 50% = 1/2. A fraction's decimal must be exact: 0.33 is not 1/3.
- For an irrational gold also a decimal: a number of at least three significant digits that equals the gold
  rounded to its last digit (13.86 or 13.9 for 8√3, neither 13.85 nor 14; 204 for 65π).
- A unit may be absent in the answer or in the gold. Two units must be of one kind and convert: 1 m = 100 cm,
  πrad/6 = 30°. Degrees are a unit like others.
- A name may stand before the value, with "=" ("x = 5", "∠A = 30°", "sin A = 3/5"), also an option letter
  ("B. 30°") or "the answer is". In a chain (2 × 3 = 6) every part must be right; after ≈ a part of any
  length must be the gold, rounded. An answer that is only approximate ("≈ 5", "about 5") is right where a
  decimal is.

A gold that cannot be read as a value is compared as text, in plain spelling.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from othink_mr1.errors import UserError
from othink_mr1.scoring.answer_tag import answer_text
from othink_mr1.scoring.expressions import Unreadable
from othink_mr1.scoring.number_words import number_from_words
from othink_mr1.scoring.outcomes import Judgement
from othink_mr1.scoring.quantities import Quantity, is_list, read_chain
from othink_mr1.scoring.spelling import plain_spelling
from othink_mr1.scoring.surds import NotExact, Surd

Kind = Literal["count", "value"]

_LONGEST_ANSWER = 200  # characters; the longest gold of the published sets has about 20
_LONGEST_COUNT = 18  # digits
_SIGNIFICANT_DIGITS = 3

_INTEGER = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)")


def exact_outcome(completion: str, gold: str, kind: Kind) -> Judgement:
    """Judge the completion's answer tag. kind: count, an integer alone; value, a number with or without unit.

    UserError if a count's gold is no integer.
    """
    answer = answer_text(completion)
    if isinstance(answer, Judgement):
        return answer
    return count_outcome(answer, gold) if kind == "count" else value_outcome(answer, gold)


def count_outcome(answer: str, gold: str) -> Judgement:
    """Judge an answer that must be an integer, in digits or English words, and nothing else."""
    expected = integer_gold(gold)
    if _INTEGER.fullmatch(answer) and len(answer) <= _LONGEST_COUNT:
        count: int | None = int(answer.replace(",", ""))
    else:
        count = number_from_words(answer) if len(answer) <= _LONGEST_COUNT else None
    if count is None:
        return Judgement("unparseable", "not an integer" if answer else "empty")
    return Judgement("correct") if count == expected else Judgement("wrong", "another number")


def integer_gold(gold: str) -> int:
    """A counting task's gold. UserError if it is no integer."""
    if not _INTEGER.fullmatch(gold.strip()) or len(gold) > _LONGEST_COUNT:
        raise UserError(f"gold {gold[:80]!r}: a counting task's gold must be an integer")
    return int(gold.replace(",", ""))


@lru_cache(maxsize=4096)
def value_outcome(answer: str, gold: str) -> Judgement:
    """Judge an answer's text by value."""
    if not answer:
        return Judgement("unparseable", "empty")
    if answer == gold.strip():
        return Judgement("correct")
    if len(answer) > _LONGEST_ANSWER:
        return Judgement("unparseable", f"longer than {_LONGEST_ANSWER} characters")
    try:
        expected = _gold_quantity(gold)
    except (Unreadable, NotExact):
        same = _squeezed(answer) == _squeezed(gold)
        return Judgement("correct") if same else Judgement("wrong", "gold is no value; another text")
    text = plain_spelling(answer)
    try:
        parts = read_chain(text)
    except (Unreadable, NotExact) as error:
        if is_list(text):
            return Judgement("several_answers", "several values in the tag")
        return Judgement("unparseable", str(error))
    for number, (quantity, approximate) in enumerate(parts):
        reason = _difference(quantity, expected, approximate, digits_needed=number == 0)
        if reason is not None:
            return Judgement("wrong", reason)
    return Judgement("correct")


@lru_cache(maxsize=4096)
def _gold_quantity(gold: str) -> Quantity:
    if len(gold) > _LONGEST_ANSWER:
        raise Unreadable("too long")
    parts = read_chain(plain_spelling(gold.strip()))
    if len(parts) != 1 or parts[0][1]:
        raise Unreadable("not one value")
    return parts[0][0]


def _difference(answer: Quantity, gold: Quantity, approximate: bool, digits_needed: bool) -> str | None:
    """Why the answer is not the gold, or None if it is."""
    expected = gold.value
    if answer.unit is not None and gold.unit is not None and answer.unit != gold.unit:
        if answer.unit.kind != gold.unit.kind:
            return f"unit differs: {answer.unit.name} / {gold.unit.name}"
        expected = expected * gold.unit.size / answer.unit.size
    if answer.value == expected and not (
        approximate and digits_needed and expected.rational_value is not None
    ):
        return None
    if approximate and not digits_needed:  # a remark behind the exact value
        return None if _rounds_to(expected, answer.value, answer.decimals or 0) else "another value"
    if expected.rational_value is not None:
        return "only approximate" if answer.value == expected else "another value"
    if not _rounds_to(expected, answer.value, answer.decimals or 0):
        return "another value"
    if answer.decimals is None:
        return "neither exact nor a decimal"
    return None if answer.significant_digits >= _SIGNIFICANT_DIGITS else "too few digits"


def _rounds_to(value: Surd, rounded: Surd, decimals: int) -> bool:
    """Whether the value, rounded to so many decimals, is the other one; a tie goes to the even digit."""
    shown = rounded.rational_value
    if shown is None:
        return False
    with localcontext() as context:
        context.prec = 200  # all digits of the longest literal beside those of an approximation
        step = Decimal(1).scaleb(-decimals)
        return Fraction(value.approximate().quantize(step, rounding=ROUND_HALF_EVEN)) == shown


def _squeezed(text: str) -> str:
    return plain_spelling(text[: 2 * _LONGEST_ANSWER]).replace(" ", "")
