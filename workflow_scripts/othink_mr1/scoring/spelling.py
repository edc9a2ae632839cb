"""One spelling for the many in which an answer can be written: LaTeX, plain, Chinese, full width.

After plain_spelling a number has only these signs: digits . , + - * / ^ ( ) { } % √ π \\frac, [n] after √
for a cube root, and ° for degrees; units and names stay as words.
"""

from __future__ import annotations

import re

_SAME = {
    "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "✕": "*", "✖": "*", "•": "*",
    "÷": "/", "⁄": "/", "∕": "/",
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-", "﹣": "-", "➖": "-",
    "º": "°", "˚": "°", "∘": "°", "゜": "°", "⁰": "°", "℃": "℃",
    "∏": "π", "𝜋": "π", "𝝅": "π", "П": "π",
    "’": "′", "‘": "′", "'": "′", "ʹ": "′", "”": "″", "“": "″", '"': "″", "ʺ": "″",
    "≒": "≈", "≅": "≈", "。": ".",
    "㎜": "mm", "㎝": "cm", "㎞": "km", "㎡": "m^2", "㎠": "cm^2", "㎟": "mm^2", "㎢": "km^2", "㎥": "m^3",
    "㎤": "cm^3", "㎏": "kg",
    "\u00a0": " ", "\u2009": " ", "\u200a": " ", "\u202f": " ", "\u3000": " ",
    "\u200b": "", "\u200c": "", "\u200d": "", "\u2060": "", "\ufeff": "",
}  # fmt: skip
_FRACTIONS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8),
}  # fmt: skip
_CHARACTERS = str.maketrans(
    {
        **_SAME,
        **{sign: f"\\frac{{{over}}}{{{under}}}" for sign, (over, under) in _FRACTIONS.items()},
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full width forms
    }
)
_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "theta": "θ",
    "phi": "φ", "varphi": "φ", "omega": "ω",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("¹²³⁴⁵⁶⁷⁸⁹", "123456789")

_REPLACEMENTS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?<=\d)(?:\\,|\{,\})(?=\d{3})", ","),  # 1\,200 and 1{,}200
        (r"\\[,;:!>]|\\(?:quad|qquad|displaystyle|textstyle|limits)(?![a-zA-Z])|~|\\ ", " "),
        (r"\\(?:left|right|big|Big)(?=[()\[\]])", ""),
        (r"\\[()\[\]]|\$", " "),  # the borders of a formula
        (r"\\(?:text|textrm|textbf|mathrm|mathbf|mathit|mbox|operatorname|rm|bf)\s*\{([^{}\\]*)\}", r" \1 "),
        (r"\^\s*\{?\s*(?:\\circ|\\degree|°|o(?![a-zA-Z]))\s*\}?", "°"),
        (r"\\(?:degree|textdegree|circ)(?![a-zA-Z])", "°"),
        (r"\\(?:times|cdot|ast)(?![a-zA-Z])", "*"),
        (r"\\div(?![a-zA-Z])", "/"),
        (r"\\(?:approx|simeq|thickapprox)(?![a-zA-Z])", "≈"),
        (r"\\(?:angle|measuredangle)(?![a-zA-Z])", "∠"),
        (r"\\triangle(?![a-zA-Z])", "△"),
        (r"\\odot(?![a-zA-Z])", "⊙"),
        (
            r"\\(alpha|beta|gamma|delta|theta|phi|varphi|omega)(?![a-zA-Z])",  # names of angles
            lambda match: _GREEK[match[1]],
        ),
        (r"\\(?:overline|widehat|overarc|bar|hat)\s*\{([A-Za-z]+)\}", r"\1"),  # a segment, an arc
        (r"\\prime(?![a-zA-Z])", "′"),
        (r"\\(?:lparen|lbrack)(?![a-zA-Z])", "("),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\?sqrt(?![a-zA-Z])|\\surd(?![a-zA-Z])", "√"),
        (r"\\[pP]i(?![a-zA-Z])|(?<![a-zA-Z\\])[pP]i(?![a-zA-Z])", "π"),
        (r"\\%", "%"),
        (r"\*\*", "^"),
        (r"([¹²³⁴⁵⁶⁷⁸⁹]+)", lambda match: f"^{{{match[1].translate(_SUPERSCRIPTS)}}}"),
        (r"\^\s*\{?\s*′′\s*\}?|′′", "″"),
        (r"\^\s*\{?\s*′\s*\}?", "′"),
        (r"\\frac\s*(\d)", r"\\frac{\1}"),  # \frac12: TeX takes one digit each
        (r"(\\frac\{\d+\})\s*(\d)", r"\1{\2}"),
        (r"\s+", " "),
    )
]
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{(.*)\}\Z")
_BOXED_BEFORE_DEGREES = re.compile(r"\\(?:boxed|fbox)\s*\{([^{}]*)\}(?=\s*(?:°|\^\s*\{?\s*\\circ))")
_BOLD = re.compile(r"\*\*(.*)\*\*\Z")


def plain_spelling(text: str) -> str:
    """The text with one sign per meaning, without the borders of formulas, boxes and a last full stop."""
    text = _without_full_stop(text.translate(_CHARACTERS).strip())
    for _ in range(3):  # **\boxed{5}**, \(\boxed{5}\)
        for pattern in (_BOLD, _BOXED):
            found = pattern.match(text)
            if found and "*" not in found[1] * (pattern is _BOLD) and _balanced(found[1]):
                text = found[1].strip()
        text = _without_borders(text)
    text = _BOXED_BEFORE_DEGREES.sub(r"\1", text)
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return _without_full_stop(text.strip())


def _without_borders(text: str) -> str:
    for opening, closing in (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]")):
        if len(text) > len(opening + closing) and text.startswith(opening) and text.endswith(closing):
            text = _without_full_stop(text[len(opening) : -len(closing)].strip())
    return text


def _without_full_stop(text: str) -> str:
    """Without a last full stop, comma or semicolon."""
    return text[:-1].rstrip() if text.endswith((".", ",", ";", "、")) and not text.endswith("..") else text


def _balanced(text: str) -> bool:
    """Whether no brace in the text closes one from before it."""
    depth = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
