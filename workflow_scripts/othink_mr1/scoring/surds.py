"""Exact numbers: sums of rational multiples of square roots and powers of π.

The gold answers of the geometry sets are such numbers: 145, 12/5, 8√3, 65π, √3/2, 60√3 + 1. A number is
kept as its terms, {(radicand, power of π): coefficient}, with a squarefree radicand. Square roots of
different squarefree integers are independent over the rationals, and π is transcendental, so two numbers
are equal exactly if their terms are: no simplification, no tolerance. Every size is bounded, because a
number comes from a model's text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from math import gcd, isqrt, prod

_Term = tuple[int, int]  # radicand (squarefree, at least 1), power of π

_MOST_TERMS = 16
_MOST_BITS = 400  # of a coefficient's numerator and denominator: 120 digits
_LARGEST_RADICAND = 10**10  # its factors are found by trial division: 100,000 steps, some milliseconds
_LARGEST_EXPONENT = 20
_LARGEST_POWER_OF_PI = 1000  # of a term
_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899862803")
_DIGITS = 80  # of an approximation


class NotExact(Exception):
    """The result is not such a number, or exceeds a bound; the message says which, in a few fixed words."""


class Undefined(NotExact):
    """The expression has no value at all."""


@dataclass(frozen=True)
class Surd:
    """An exact number. Make it with rational(), PI, square_root() and arithmetic."""

    terms: tuple[tuple[_Term, Fraction], ...]  # sorted, without zeros: equal numbers are equal objects

    @property
    def decimal_ends(self) -> bool:
        """Whether a decimal can equal the number: it is a fraction over a product of 2s and 5s."""
        value = self.rational_value
        return value is not None and 10**_MOST_BITS % value.denominator == 0

    @property
    def rational_value(self) -> Fraction | None:
        """The number as a fraction, or None if it is irrational."""
        if not self.terms:
            return Fraction(0)
        term, coefficient = self.terms[0]
        return coefficient if len(self.terms) == 1 and term == (1, 0) else None

    def __add__(self, other: Surd) -> Surd:
        terms = dict(self.terms)
        for term, coefficient in other.terms:
            terms[term] = terms.get(term, Fraction(0)) + coefficient
        return _made(terms)

    def __neg__(self) -> Surd:
        return Surd(tuple((term, -coefficient) for term, coefficient in self.terms))

    def __sub__(self, other: Surd) -> Surd:
        return self + -other

    def __mul__(self, other: Surd) -> Surd:
        terms: dict[_Term, Fraction] = {}
        for (radicand, power), coefficient in self.terms:
            for (other_radicand, other_power), other_coefficient in other.terms:
                common = gcd(radicand, other_radicand)
                term = (radicand // common * (other_radicand // common), power + other_power)
                product = coefficient * other_coefficient * common
                terms[term] = terms.get(term, Fraction(0)) + product
        return _made(terms)

    def __truediv__(self, other: Surd) -> Surd:
        """Exact division: the denominator is rationalised root by root."""
        numerator, denominator = self, other
        while len(denominator.terms) > 1:
            prime = _prime_of_a_radicand(denominator)
            conjugate = Surd(
                tuple(
                    (term, -coefficient if term[0] % prime == 0 else coefficient)
                    for term, coefficient in denominator.terms
                )
            )
            numerator, denominator = numerator * conjugate, denominator * conjugate
        if not denominator.terms:
            raise Undefined("division by zero")
        ((radicand, power), coefficient) = denominator.terms[0]
        return numerator * _made({(radicand, -power): 1 / (coefficient * radicand)})

    def power(self, exponent: Fraction) -> Surd:
        """self ** exponent, for a small integer or half-integer."""
        if exponent.denominator == 2:
            return square_root(self).power(exponent * 2)
        if exponent.denominator != 1:
            raise NotExact("power that is no root")
        if abs(exponent) > _LARGEST_EXPONENT:
            raise NotExact("exponent too large")
        if exponent <= 0 and not self.terms:
            raise Undefined("power of zero")
        result = rational(1)
        for _ in range(abs(int(exponent))):
            result = result * self
        return result if exponent >= 0 else rational(1) / result

    def approximate(self) -> Decimal:
        """The value to about 70 significant digits."""
        with localcontext() as context:
            context.prec = _DIGITS
            total = Decimal(0)
            for (radicand, power), coefficient in self.terms:
                value = Decimal(radicand).sqrt() * _PI**power
                total += value * coefficient.numerator / coefficient.denominator
            return total


def rational(value: int | Fraction) -> Surd:
    return _made({(1, 0): Fraction(value)})


PI = Surd((((1, 1), Fraction(1)),))


def square_root(value: Surd) -> Surd:
    """√value, if it is such a number: also √(4 + 2√3) = √3 + 1. NotExact otherwise."""
    if not value.terms:
        return value
    if value.approximate() < 0:
        raise Undefined("root of a negative number")
    if len(value.terms) == 1:
        ((radicand, power), coefficient) = value.terms[0]
        if radicand != 1 or power % 2:
            raise NotExact("root of a root or of π")
        return _root_of_fraction(coefficient) * _made({(1, power // 2): Fraction(1)})
    if len(value.terms) != 2:
        raise NotExact("root of a sum")
    (first, a), ((radicand, power), b) = value.terms
    if first != (1, 0) or power != 0:
        raise NotExact("root of a sum")
    # √(a + b√c) = √x ± √y with x + y = a and 4xy = b²c.
    rest = _root_of_fraction(a * a - b * b * radicand) if a * a > b * b * radicand else None
    half = rest.rational_value if rest is not None else None
    if half is None:
        raise NotExact("root of a sum")
    larger, smaller = _root_of_fraction((a + half) / 2), _root_of_fraction((a - half) / 2)
    return larger + smaller if b > 0 else larger - smaller


def cube_root(value: Surd) -> Surd:
    """The cube root of a fraction of two cubes. NotExact otherwise."""
    fraction = value.rational_value
    if fraction is None:
        raise NotExact("cube root of an irrational number")
    parts = []
    for part in (abs(fraction.numerator), fraction.denominator):
        root = round(part ** (1 / 3)) if part < 2**50 else 0
        if root**3 != part:
            raise NotExact("cube root that is not exact")
        parts.append(root)
    result = Fraction(*parts)
    return rational(result if fraction >= 0 else -result)


def rounds_to(value: Surd, rounded: Surd, decimals: int, down: bool = False) -> bool:
    """Whether the value, rounded to this number of decimals, equals `rounded`; ties go to the even digit.

    decimals: negative for tens. down: digits are cut off instead.
    """
    shown = rounded.rational_value
    if shown is None:
        return False
    with localcontext() as context:
        context.prec = 1000  # all digits before the point of the largest number, and after it of a literal
        step = Decimal(1).scaleb(-decimals)
        rounding = ROUND_DOWN if down else ROUND_HALF_EVEN
        return Fraction(value.approximate().quantize(step, rounding=rounding)) == shown


def _made(terms: dict[_Term, Fraction]) -> Surd:
    kept = sorted((term, coefficient) for term, coefficient in terms.items() if coefficient)
    if len(kept) > _MOST_TERMS or any(
        coefficient.numerator.bit_length() > _MOST_BITS
        or coefficient.denominator.bit_length() > _MOST_BITS
        or abs(power) > _LARGEST_POWER_OF_PI
        for (_, power), coefficient in kept
    ):
        raise NotExact("number too large")
    return Surd(tuple(kept))


def _root_of_fraction(value: Fraction) -> Surd:
    """√(p/q) = √(pq) / q, with square factors of pq taken out of the root. value: positive or zero."""
    numerator = value.numerator * value.denominator
    exact = isqrt(numerator)
    if exact * exact == numerator:
        return rational(Fraction(exact, value.denominator))
    factors = Counter(_prime_factors(numerator)).items()
    outside = prod(prime ** (times // 2) for prime, times in factors)
    inside = prod(prime ** (times % 2) for prime, times in factors)
    return _made({(inside, 0): Fraction(outside, value.denominator)})


def _prime_of_a_radicand(value: Surd) -> int:
    if len({power for (_, power), _ in value.terms}) > 1:
        raise NotExact("division by a sum with π")
    return next(_prime_factors(max(radicand for (radicand, _), _ in value.terms)))


def _prime_factors(number: int) -> Iterator[int]:
    """The prime factors of an integer above 1 with multiplicity, in ascending order."""
    if number > _LARGEST_RADICAND:
        raise NotExact("number too large")
    factor = 2
    while factor * factor <= number:
        if number % factor == 0:
            yield factor
            number //= factor
        else:
            factor += 1
    if number > 1:
        yield number
