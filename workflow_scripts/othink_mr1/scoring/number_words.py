"""English number words, zero to ninety-nine."""

from __future__ import annotations

import re

_ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

_VALUES = {word: value for value, word in enumerate(_ONES)}
_VALUES.update({word: 10 * value for value, word in enumerate(_TENS, start=2)})
_VALUES.update(
    {
        f"{ten}{between}{one}": 10 * tens + ones
        for tens, ten in enumerate(_TENS, start=2)
        for ones, one in enumerate(_ONES[1:10], start=1)
        for between in ("-", " ")
    }
)
_WORD = re.compile(
    rf"\b(?:(?:{'|'.join(_TENS)})[- ](?:{'|'.join(_ONES[1:10])})|{'|'.join([*_ONES, *_TENS])})\b", re.I
)


def number_from_words(text: str) -> int | None:
    """The number that the words name ("twenty-one", "Twenty one"), or None."""
    return _VALUES.get(" ".join(text.lower().split()))


def with_digits(text: str) -> str:
    """The text with digits for its number words: "thirty degrees" becomes 30 degrees."""
    return _WORD.sub(lambda found: str(number_from_words(found[0])), text)
