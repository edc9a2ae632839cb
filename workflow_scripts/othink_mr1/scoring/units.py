"""The unit after a number: the known units, what they measure, and their exact conversions.

海里 (nautical mile) is converted to no other length. "units" and 个 measure nothing and count as no unit.
°, ′ and ″ together (67°30′) are one value in degrees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from othink_mr1.scoring.surds import PI, Surd, rational


@dataclass(frozen=True)
class Unit:
    """A unit. name: for messages; kind: what it measures; size: in its kind's base unit."""

    name: str
    kind: str
    size: Surd

    def power(self, exponent: int) -> Unit:
        """The unit of an area for the square of a length, of a volume for its cube."""
        if exponent == 1:
            return self
        kind = {2: "area", 3: "volume"}.get(exponent) if self.kind == "length" else None
        kind = kind or f"{self.kind}^{exponent}"
        return Unit(f"{self.name}^{exponent}", kind, self.size.power(Fraction(exponent)))


# name, kind, size, other words for it. Words of one letter are case sensitive, the others are not.
_BASES: list[tuple[str, str, Surd, str]] = [
    (name, kind, rational(Fraction(size)), words)
    for name, kind, size, words in (
        ("mm", "length", "1/1000", "毫米 millimeter millimeters millimetre millimetres"),
        ("cm", "length", "1/100", "厘米 公分 centimeter centimeters centimetre centimetres"),
        ("dm", "length", "1/10", "分米 decimeter decimeters decimetre decimetres"),
        ("m", "length", "1", "米 公尺 meter meters metre metres"),
        ("km", "length", "1000", "千米 公里 kilometer kilometers kilometre kilometres"),
        ("inch", "length", "0.0254", "inches 英寸"),
        ("foot", "length", "0.3048", "ft feet 英尺"),
        ("海里", "nautical miles", "1", "nautical_mile nautical_miles n_mile n_miles nmi"),
        ("s", "time", "1", "秒 秒钟 sec second seconds"),
        ("min", "time", "60", "分 分钟 mins minute minutes"),
        ("h", "time", "3600", "小时 时 hr hrs hour hours"),
        ("day", "time", "86400", "天 日 days"),
        ("g", "mass", "1", "克 gram grams"),
        ("kg", "mass", "1000", "千克 公斤 kilogram kilograms"),
        ("t", "mass", "1000000", "吨 ton tons tonne tonnes"),
        ("yuan", "money", "1", "元 RMB"),
        ("°", "angle", "1", "degree degrees deg 度"),
    )
] + [("rad", "angle", rational(180) / PI, "radian radians 弧度")]
_NO_UNIT = ("units", "unit", "单位", "个")

_BY_WORD = {
    word.replace("_", " ").lower() if len(word) > 1 else word: Unit(name, kind, size)
    for name, kind, size, words in _BASES
    for word in (name, *words.split())
}
_LONG = "|".join(
    re.escape(word) for word in sorted([*_BY_WORD, *_NO_UNIT], key=len, reverse=True) if len(word) > 1
)
_SHORT = "".join(word for word in _BY_WORD if len(word) == 1)
_WORD = rf"(?:(?i:{_LONG})|[{_SHORT}{''.join(word for word in _NO_UNIT if len(word) == 1)}])"
_POWER = (
    r"(?:\s*\^?\s*(?:\{\s*(?P<braced>[23])\s*\}|(?P<bare>[23]))\^?"
    r"|\s*(?i:(?P<squared>squared)|(?P<cubed>cubed)))"
)
_UNIT = re.compile(
    r"(?P<number>.*?[\d)}π.])\s*(?P<open>\()?\s*"
    r"(?:(?i:(?P<square>square|sq\.?|平方)|(?P<cubic>cubic|cu\.?|立方))\s*)?"
    rf"(?P<word>{_WORD}){_POWER}?(?:\s*(?:/|per|每)\s*(?P<per>{_WORD}))?\s*(?(open)\))\Z",
    re.DOTALL,
)
_ARC = re.compile(
    r"(?P<degrees>\d{1,6})\s*°\s*(?P<minutes>\d{1,2}(?:\.\d{1,6})?)\s*′(?:\s*(?P<seconds>\d{1,2}(?:\.\d{1,6})?)\s*″)?",
    re.ASCII,
)


def split_unit(text: str) -> tuple[str, Unit | None]:
    """A quantity in plain spelling as its number and its unit; None if it has no unit.

    An unknown unit stays with the number, which is then unreadable.
    """
    arc = _ARC.fullmatch(text)
    if arc:
        value = sum(
            Fraction(arc[part] or 0) / size
            for part, size in (("degrees", 1), ("minutes", 60), ("seconds", 3600))
        )
        return f"{value.numerator}/{value.denominator}", _BY_WORD["°"]
    found = _UNIT.fullmatch(text)
    if found is None:
        return text, None
    if _is_no_unit(found["word"]):
        return (found["number"], None) if found["per"] is None else (text, None)
    unit = _unit(found["word"])
    exponent = int(found["braced"] or found["bare"] or 1)
    exponent = (
        2 if found["square"] or found["squared"] else 3 if found["cubic"] or found["cubed"] else exponent
    )
    unit = unit.power(exponent)
    if found["per"] is not None:
        if _is_no_unit(found["per"]):
            return text, None
        per = _unit(found["per"])
        unit = Unit(f"{unit.name}/{per.name}", f"{unit.kind} per {per.kind}", unit.size / per.size)
    # 180° - 35°: each term of a sum has the sign.
    number = re.sub(r"(?<=\d)°(?=\s*[-+])", "", found["number"]) if unit.name == "°" else found["number"]
    return number, unit


def _unit(word: str) -> Unit:
    return _BY_WORD[word.lower() if len(word) > 1 else word]


def _is_no_unit(word: str) -> bool:
    return word.lower() in _NO_UNIT
