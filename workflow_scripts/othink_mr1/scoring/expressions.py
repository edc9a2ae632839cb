"""The grammar of a number: from an expression in plain spelling to its exact value.

    sum      = ["-"] product (("+" | "-") product)*
    product  = factor (("*" | "/" | nothing) factor)*
    factor   = primary ["^" exponent] ["%"]
    primary  = number | "π" | "√" ["[" n "]"] argument | "\\frac" argument argument | group
    argument = group | number | "π" | "√" argument
    group    = "(" sum ")" | "{" sum "}"

Products without a sign are read from left to right like those with one: 3/2√3 is (3/2)·√3. Only a root, π,
a bracket or (after a number) a fraction may follow without a sign: "5 6" and "√3 2" are not numbers. An
integer before a fraction of two integers that is below 1 is a mixed number: 1\\frac{1}{2} is 3/2.

Nothing else is read: no names, no functions, nothing that could be evaluated.
"""

from __future__ import annotations

import re
from fractions import Fraction

from othink_mr1.scoring.surds import PI, NotExact, Surd, cube_root, rational, square_root

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d{1,3}(?:,\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d{1,3}(?!\d))?)"
    r"|(?P<sign>\\frac|[-+*/^(){}\[\]%√π]))",
    re.ASCII,
)
_MIXED = re.compile(r"(?<![\d./^√,])(\d+) +(\d+) ?/ ?(\d+)(?![\d.^])", re.ASCII)
_LONGEST_NUMBER = 40  # characters
_LARGEST_POWER_OF_TEN = 40
_DEEPEST = 15  # brackets, roots and fractions inside each other


class Unreadable(Exception):
    """The text is not a number; the message says why, in a few fixed words."""


def read_number(text: str) -> Surd:
    """The exact value of an expression in plain_spelling. Unreadable or NotExact if it has none."""
    reader = _Reader(_MIXED.sub(r"\1\\frac{\2}{\3}", text))
    value = reader.sum()
    if reader.next is not None:
        raise Unreadable("not a value")
    return value


def read_decimal(text: str) -> Fraction:
    """A literal number, digits with thousands commas, a decimal point and a power of ten, as a fraction."""
    if len(text) > _LONGEST_NUMBER or abs(int(text.partition("e")[2] or 0)) > _LARGEST_POWER_OF_TEN:
        raise NotExact("number too large")
    return Fraction(text.replace(",", ""))


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            found = _TOKEN.match(text, position)
            if found is None:
                raise Unreadable("not a value")
            self._tokens.append(found["number"] or found["sign"])
            position = found.end()
        self._at = 0
        self._depth = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, *wanted: str) -> bool:
        if self.next in wanted:
            self._at += 1
            return True
        return False

    def _need(self, wanted: str) -> None:
        if not self._take(wanted):
            raise Unreadable("not a value")

    def _next_is_number(self) -> bool:
        return self.next is not None and (self.next[0].isdigit() or self.next[0] == ".")

    def _next_is_root_in_braces(self) -> bool:
        return self.next == "{" and self._tokens[self._at + 1 : self._at + 2] in (["√"], ["π"])

    def sum(self) -> Surd:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unreadable("nested too deeply")
        negative = self._take("-")
        if not negative:
            self._take("+")
        value = self._product()
        value = -value if negative else value
        while self.next in ("+", "-"):
            if self._take("+"):
                value = value + self._product()
            else:
                self._at += 1
                value = value - self._product()
        self._depth -= 1
        return value

    def _product(self) -> Surd:
        value = self._factor()
        while True:
            if self._take("*"):
                value = value * self._signed_factor()
            elif self._take("/"):
                value = value / self._signed_factor()
            elif self.next in ("√", "π", "(") or self._next_is_root_in_braces():
                value = value * self._factor()
            else:
                return value

    def _signed_factor(self) -> Surd:
        return -self._factor() if self._take("-") else self._factor()

    def _factor(self) -> Surd:
        if self._next_is_number():
            number = self._tokens[self._at]
            self._at += 1
            value = rational(read_decimal(number))
            if self.next == "\\frac":
                return self._number_and_fraction(number, value)
        else:
            value = self._primary()
        if self._take("^"):
            value = value.power(self._exponent())
            if self.next == "^":
                raise Unreadable("power of a power")
        if self._take("%"):
            value = value / rational(100)
        return value

    def _number_and_fraction(self, number: str, value: Surd) -> Surd:
        start = self._at + 1
        fraction = self._primary()
        written = self._tokens[start : self._at]
        plain = len(written) == 6 and (written[0], written[2], written[3], written[5]) == ("{", "}", "{", "}")
        if not (plain and number.isdigit() and written[1].isdigit() and written[4].isdigit()):
            return value * fraction
        if int(written[1]) >= int(written[4]):
            raise Unreadable("mixed number with an improper fraction")
        return value + fraction

    def _primary(self) -> Surd:
        if self._take("π"):
            return PI
        for opening, closing in ("()", "{}"):
            if self._take(opening):
                value = self.sum()
                self._need(closing)
                return value
        if self._take("√"):
            return self._root()
        if self._take("\\frac"):
            over = self._argument()
            return over / self._argument()
        raise Unreadable("not a value")

    def _root(self) -> Surd:
        index = 2
        if self._take("["):
            if self.next not in ("2", "3"):
                raise Unreadable("not a value")
            index = int(self.next)
            self._at += 1
            self._need("]")
        value = self._argument()
        return square_root(value) if index == 2 else cube_root(value)

    def _argument(self) -> Surd:
        if self._take("√"):
            self._depth += 1
            if self._depth > _DEEPEST:
                raise Unreadable("nested too deeply")
            value = self._root()
            self._depth -= 1
            return value
        if self._next_is_number():
            value = rational(read_decimal(self._tokens[self._at]))
            self._at += 1
            return value
        return self._primary()

    def _exponent(self) -> Fraction:
        if self._take("-"):
            return -self._exponent()
        value = self._argument().rational_value
        if value is None:
            raise Unreadable("power that is no root")
        return value
