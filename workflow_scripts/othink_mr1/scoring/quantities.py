"""Reading an answer: its values, each with its unit. Besides them, only names of the asked thing are allowed.

    answer   = [lead] [option] [label ":"] chain [remark]
    chain    = piece (("=" | "≈") piece)*         also in words: is, equals, is equal to, measures, ":="
    piece    = name | formula | value             at least one value; a formula only after a first name
    remark   = "(" value ")"                      the value before it in another form: 12/5 (2.4)
    value    = number [unit], a ratio a : b, or a decimal with "..." after it

names.py has the grammar of names. "about" and similar words are ≈. What does not fit is Unreadable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from othink_mr1.scoring.expressions import Unreadable, read_number
from othink_mr1.scoring.names import is_formula, is_name, is_ratio_name
from othink_mr1.scoring.number_words import with_digits
from othink_mr1.scoring.surds import NotExact, Surd, rounds_to
from othink_mr1.scoring.units import Unit, split_unit

_DECIMAL = re.compile(
    r"[-+]?(?P<digits>(?:\d[\d,]*)?\.\d+|\d[\d,]*)(?:e(?P<exponent>[-+]?\d{1,3}))?", re.ASCII
)
_LEAD = re.compile(
    r"(?:(?:so|thus|therefore|hence|then|finally|∴|⇒|→)(?![a-z]),? ?"
    r"|(?:we|i) (?:get|have|find|obtain)(?: that)? )+",
    re.I,
)
_OPTION = re.compile(r"(?:(?:option|choice) )?\(?[A-D](?:\)|[.:、])\s*(?=\S)", re.I)
_ABOUT = r"(?:about|approximately|approx\b\.?|around|roughly|约)(?: equals?(?: to)?| equal to)?"
_SCIENTIFIC = re.compile(r"\A([-+]?[\d,]*\.?\d+) ?\* ?10 ?\^ ?(?:\{ ?([-+]?\d{1,3}) ?\}|(\d))\Z", re.ASCII)
_IS = re.compile(
    r"\s*:=\s*|\s+(?:(?:is|are)(?: equal to)?|equals?(?: to)?|measures|=="
    r"|has an? (?:measure|length|area|perimeter|value|size|radius) of)(?:\s*:)?\s+",
    re.I,
)
_REMARK = re.compile(r"(?P<value>.*[\d°%)}πA-Za-z])(?P<space> ?)\((?P<remark>[^()]*(?:\([^()]*\)[^()]*)*)\)")
_ABOUT_REMARK = re.compile(r"\s*\(\s*≈([^()=≈]*)\)\Z")
_RATIO = re.compile(r"(?P<first>[^:]+):(?P<second>[^:]+)")
_LIST = re.compile(r"\s*(?:,|;|、|\bor\b|\band\b|或|和|±)\s*")


@dataclass(frozen=True)
class Quantity:
    """A value as it was written.

    decimals: digits after the point of a literal number, negative in 1.2e3, else None. cut: "..." follows.
    """

    value: Surd
    unit: Unit | None
    decimals: int | None
    significant_digits: int
    is_ratio: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Reading:
    """parts: the values, each with whether a ≈ is before it. of_ratio: a name says it has no unit."""

    parts: list[tuple[Quantity, bool]]
    of_ratio: bool = False


def read_answer(text: str) -> Reading:
    """Read an answer in plain spelling. Unreadable or NotExact says why it cannot be read."""
    text = with_digits(text)
    lead = _LEAD.match(text)
    text = text[lead.end() :] if lead else text
    text = re.sub(rf"(?:^|(?<=[=≈:( ])){_ABOUT}\s*", "≈", text, flags=re.I)
    text = re.sub(r"=\s*[:≈]*\s*≈", "≈", _IS.sub("=", text)).strip()
    text = _ABOUT_REMARK.sub(r"≈\1", text)
    option = _OPTION.match(text)
    text = _unlabelled(text[option.end() :] if option else text)
    signs, pieces = ["=", *re.findall("[=≈]", text)], [piece.strip() for piece in re.split("[=≈]", text)]
    if len(pieces) > 1 and not pieces[0]:  # "= 5", "≈ 5"
        signs, pieces = signs[1:], pieces[1:]
    parts: list[tuple[Quantity, bool]] = []
    of_ratio = named = False
    for number, (sign, piece) in enumerate(zip(signs, pieces, strict=True)):
        last = number == len(pieces) - 1
        option = _OPTION.match(piece)
        piece = piece[option.end() :] if option else piece
        if piece != "π" and (parts or not last) and is_name(piece):
            named = True
        elif number == 0 and not last and is_ratio_name(piece):
            of_ratio = named = True
        elif not (named and not last and is_formula(piece) and not _is_value(piece)):
            parts += [(value, approximate or sign == "≈") for value, approximate in _with_remark(piece)]
    return Reading(parts, of_ratio)


def is_list(text: str) -> bool:
    """Whether the text is two or more values: "5 or 6", "5, 6", "±5"."""
    values = _LIST.split(text)
    return len(values) > 1 and all(_is_answer(value) for value in values if value)


def _unlabelled(text: str) -> str:
    """Without "Answer:" or "∠A:"."""
    label, colon, rest = text.partition(":")
    if not (colon and is_name(label)):
        return text
    about = re.split("[=≈]", rest)[0]
    return text if "=" in rest and is_name(about) and is_ratio_name(f"{label}:{about}") else rest.strip()


def _with_remark(text: str) -> list[tuple[Quantity, bool]]:
    """A value, and the same one in brackets after it if it is given twice."""
    found = _REMARK.fullmatch(text)
    if found:
        try:
            first, again = read_quantity(found["value"].strip()), read_quantity(found["remark"].strip())
        except (Unreadable, NotExact):
            return [(read_quantity(text), False)]
        if _equal(first, again) or (found["space"] and first.unit is not None):
            return [(first, False), (again, True)]
    return [(read_quantity(text), False)]


def _equal(one: Quantity, other: Quantity) -> bool:
    """Whether they are equal: exactly, or one is the other rounded, where no decimal is exact."""
    if one.unit is not None and other.unit is not None:
        if one.unit.kind != other.unit.kind:
            return False
        other = replace(other, value=other.value * other.unit.size / one.unit.size)
    return one.value == other.value or any(
        short.decimals is not None
        and not exact.value.decimal_ends
        and rounds_to(exact.value, short.value, short.decimals)
        for short, exact in ((one, other), (other, one))
    )


@lru_cache(maxsize=4096)
def read_quantity(text: str) -> Quantity:
    """Read one value in plain spelling. Unreadable or NotExact says why it cannot be read."""
    ratio = _RATIO.fullmatch(text)
    if ratio:
        first, second = (read_number(ratio[part].strip()) for part in ("first", "second"))
        return Quantity(first / second, None, None, 0, is_ratio=True)
    number, unit = split_unit(_without_brackets(text))
    if "°" in number and all("°" in term for term in re.split("[-+]", text)):
        number, unit = split_unit(re.sub(r"°(?=\s*[-+*/)}])", "", text) + "°" * (not text.endswith("°")))
    elif re.search(r"[A-Za-z一-鿿]", number):
        number, unit = _of_terms(text) or (number, unit)
    number = _SCIENTIFIC.sub(r"\1e\2\3", number.strip())
    cut = re.fullmatch(r"(.*\.\d+) ?\.\.\.", number)
    number = cut[1] if cut else number
    value = read_number(number)
    percent = number.endswith("%")
    written = _DECIMAL.fullmatch(number.rstrip("% "))
    if written is None:
        return Quantity(value, unit, None, 0)
    decimals = len(written["digits"].partition(".")[2]) - int(written["exponent"] or 0) + 2 * percent
    digits = len(re.sub(r"\D", "", written["digits"]).lstrip("0"))
    return Quantity(value, unit, decimals, digits, cut=bool(cut))


def _without_brackets(text: str) -> str:
    """Without brackets or braces around the whole: (30°), {30°}."""
    for opening, closing in ("()", "{}"):
        inner = text[1:-1]
        if text.startswith(opening) and text.endswith(closing) and not {opening, closing} & set(inner):
            return inner.strip()
    return text


def _of_terms(text: str) -> tuple[str, Unit | None] | None:
    """Number and unit of a sum or a product whose terms have units: 6cm + 4cm, 12cm × 0.9, 3cm × 4cm."""
    terms = re.split(r" ?([-+*/]) ?", text)
    signs = set(terms[1::2])
    if not signs or "(" in text or "{" in text:
        return None
    numbers, units = zip(*(split_unit(term) for term in terms[0::2]), strict=True)
    present = [unit for unit in units if unit is not None]
    if not any(units[:-1]) or len(set(present)) > 1:
        return None
    divisors = [unit for sign, unit in zip(terms[1::2], units[1:], strict=True) if sign == "/"]
    is_sum, is_product = signs <= {"+", "-"}, signs <= {"*", "/"} and not any(divisors)
    if not (is_sum and len(present) == len(units)) and not is_product:
        return None
    unit = present[0] if is_sum else present[0].power(len(present))
    return "".join(f"{number}{sign}" for number, sign in zip(numbers, [*terms[1::2], ""], strict=True)), unit


def _is_value(text: str) -> bool:
    try:
        return bool(read_quantity(text))
    except (Unreadable, NotExact):
        return False


def _is_answer(text: str) -> bool:
    try:
        return bool(read_answer(text).parts)
    except (Unreadable, NotExact):
        return False
