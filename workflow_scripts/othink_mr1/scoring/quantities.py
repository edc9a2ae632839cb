"""Reading quantities: a value with its unit, alone or in a chain behind names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from othink_mr1.scoring.expressions import Unreadable, read_number
from othink_mr1.scoring.surds import NotExact, Surd
from othink_mr1.scoring.units import Unit, split_unit

_DECIMAL = re.compile(r"[-+]?(?:[\d,]*\.\d+|\d[\d,]*)", re.ASCII)
_LEAD = re.compile(r"(?:(?:so|thus|therefore|hence),? )?(?:the )?(?:final )?answer ?: ?", re.I)
_IS = re.compile(r"\s+(?:is|equals)\s+", re.I)
_OPTION = re.compile(r"\(?[A-D](?:\)|[.:、])\s*(?=\S)")
_HEDGE = re.compile(r"(?:≈|~|about|approximately|approx\.?|around|roughly|约)\s*", re.I)
# A name that holds one of these says something else about the number behind it.
_OTHERWISE = (
    r"(?!.*(?i:\b(?:not|none|no|neither|never|cannot|half|third|quarter|twice|double|triple|times)\b|n′t))"
)
_NAME = re.compile(
    _OTHERWISE + r"(?:\\?(?:sin|cos|tan|cot)\s*)?(?:m\s*)?[∠△⊙]?\s*"
    r"\{?(?:[A-Za-zα-ωΑ-Ω][\w{}∠△⊙′ ]*|(?<=∠)\d+|(?<=∠ )\d+)\}?"
)
_LIST = re.compile(r"\s*(?:,|;|、|\bor\b|\band\b|或|和|±)\s*")


@dataclass(frozen=True)
class Quantity:
    """A value as it was written. decimals: digits behind the point of a literal number, else None."""

    value: Surd
    unit: Unit | None
    decimals: int | None
    significant_digits: int


def read_chain(text: str) -> list[tuple[Quantity, bool]]:
    """The values of a chain of "=" and "≈", without names: each with whether a ≈ stands before it."""
    text = _HEDGE.sub("≈", text)
    for pattern in (_LEAD, _OPTION):
        found = pattern.match(text)
        text = text[found.end() :] if found else text
    pieces = re.split(r"\s*([=≈])\s*", _IS.sub("=", text).strip())
    signs, values = ["=", *pieces[1::2]], pieces[0::2]
    if values[0] == "" and len(values) > 1:  # "= 5", "≈ 5"
        signs, values = signs[1:], values[1:]
    while len(values) > 1 and _NAME.fullmatch(values[0]) and values[0] != "π":
        signs, values = signs[1:], values[1:]
    return [(_quantity(value), sign == "≈") for sign, value in zip(signs, values, strict=True)]


@lru_cache(maxsize=4096)
def _quantity(text: str) -> Quantity:
    """Read one value in plain spelling. Unreadable or NotExact says why it is none."""
    number, unit = split_unit(text)
    number = number.strip()
    value = read_number(number)
    decimals, digits = None, 0
    if _DECIMAL.fullmatch(number):
        decimals = len(number.partition(".")[2])
        digits = len(re.sub(r"\D", "", number).lstrip("0"))
    return Quantity(value, unit, decimals, digits)


def is_list(text: str) -> bool:
    """Whether the text is two or more values: "5 or 6", "5, 6", "±5"."""
    values = _LIST.split(text)
    try:
        return len(values) > 1 and all(read_chain(value) for value in values if value)
    except (Unreadable, NotExact):
        return False
