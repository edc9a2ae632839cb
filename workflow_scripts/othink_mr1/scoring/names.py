"""The grammar of names for the asked thing, besides a value. It is closed: nothing else is a name.

    name     = thing (("of" | "in" | "for") thing)* [("between" | "from") object ("and" | "to") object]
    thing    = ["the" …] (noun+ [object] | object) ("′s" noun+)*
    object   = a label in a figure: AB, x, ∠1, ∠ABC, △ABC, ⊙O, S_{ABC}

So a function of a thing (log x), a sum, a hedge, a negation or a bound is not a name, however it is spelled.
A sine, cosine, tangent or cotangent, and AB : BC, name numbers without unit: is_ratio_name.
"""

from __future__ import annotations

import re

_WORDS = {
    "t": "the an this that our its required desired final correct unknown missing total shaded central "
    "inscribed interior exterior acute obtuse right isosceles equilateral minor major lateral "
    "vertical horizontal",
    "n": "answer ans result solution it value measure measurement size magnitude length width height breadth "
    "depth distance radius diameter area perimeter circumference volume ratio degree degrees arc "
    "chord side segment line edge diagonal base leg hypotenuse altitude median bisector triangle "
    "quadrilateral rectangle vertex parallelogram rhombus trapezoid polygon hexagon pentagon "
    "circle semicircle sector cone cylinder sphere surface figure region part tree building "
    "tower ladder bridge river",
    "q": "square cube",  # nouns, but not before "of": the square of x
    "g": "angle",  # a noun that may have a number: angle 1
    "f": "of in for",
    "b": "between from",
    "d": "and to",
    "r": "sin cos tan cot sine cosine tangent cotangent",
    "a": "a",  # the article, or a letter
}
_CLASSES = {word: kind for kind, words in _WORDS.items() for word in words.split()}

_INDEX = r"_ ?(?:\{ ?[∠△⊙]? ?\w{1,5} ?\}|\w)"
_MARKS = r"′{0,2}(?: ?°)?"
_POINT = rf"[A-Z](?:{_INDEX}|[1-9](?!\d))?{_MARKS}"
_LETTERS = (
    rf"(?!NO\b)(?:(?:{_POINT}){{1,2}}|[A-Z]{{3,6}}|[a-zα-ωΔΩ](?:{_INDEX})?{_MARKS})(?![A-Za-z])"  # not "no"
)
_TOKEN = re.compile(
    rf"\s*(?:(?P<o>(?:m ?)?[∠△⊙] ?(?:\d{{1,2}}(?!\d)|\{{ ?{_LETTERS} ?\}}|{_LETTERS}))|(?P<s>′s\b)"
    rf"|(?P<letters>{_LETTERS})|(?P<i>\d{{1,3}}(?:\.\d{{1,3}})? ?°?(?!\d))|(?P<word>[A-Za-z]+))\s*"
)
_POINTS = set("ABCDEFGHMNOPQ")  # a bare ABC of these letters is a name; a word in capitals is not

_THING = r"[ta]*(?:[ngq]+(?:[oa]|(?<=g)i)?|[oa])(?:s[ngq]+)*"
_NAME = re.compile(f"{_THING}(?:(?<!q)f{_THING})*(?:b[oa]d[oa])?")
_FORMULA = re.compile(
    r"(?:[∠△⊙α-ω]|(?!NO\b)[A-Z]{1,2}(?![A-Z])|[A-HM-Q]{3}|[a-z](?![a-z])"
    r"|sin|cos|tan|cot|[\d.+\-*/(){}^°√π ]|\\frac)+"
)


def is_name(text: str) -> bool:
    """Whether a text in plain spelling names a thing that a question can ask for."""
    return _NAME.fullmatch(_classes(text)) is not None


def is_ratio_name(text: str) -> bool:
    """Whether it names a number without unit: sin A, tan 60°, the cosine of angle B, AB : BC, AB/BC."""
    if re.fullmatch(f"[ta]*rf?(?:{_THING}|i)", _classes(text)):
        return True
    parts = re.split("[:/]", text)
    return len(parts) == 2 and all(_classes(part) in ("o", "a") for part in parts)


def is_formula(text: str) -> bool:
    """Whether it is a formula with letters (180° - ∠B), which may be between a name and its value."""
    return _FORMULA.fullmatch(text) is not None and re.search("[A-Za-zα-ω]", text) is not None


def _classes(text: str) -> str:
    """Per word its letter in _WORDS, or o (object), i (number), s (genitive), "?" (unknown)."""
    classes, at = "", 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return "?"
        kind, token = str(found.lastgroup), found[0].strip()
        if kind == "letters":
            points = set(token)
            is_object = len(token) == 1 or not token.isalpha() or (len(token) == 2 and token.isupper())
            is_object = is_object or (points <= _POINTS and len(points) == len(token))
            kind = "o" if is_object and token not in "aA" else "word"
        classes += _CLASSES.get(token.lower(), "?") if kind == "word" else kind
        at = found.end()
    return classes
