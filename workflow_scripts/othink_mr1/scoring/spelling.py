"""One plain spelling for the many ways to write an answer: LaTeX, plain, Chinese, full width.

After plain_spelling a number has only these signs: digits . , + - * / ^ ( ) { } % √ π \\frac, e for a power
of ten, [n] after √ for a cube root, ":" for a ratio, "..." for omitted digits, and ° for degrees; units and
names remain words. Pure formatting is removed: LaTeX's spaces, empty and doubled braces, boxes, fonts, and
Markdown's emphasis if it is around a value, a label or both.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

_SAME = {
    "×": "*", "·": "*", "⋅": "*", "∙": "*", "∗": "*", "✕": "*", "✖": "*", "•": "*",
    "÷": "/", "⁄": "/", "∕": "/",
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "‒": "-", "﹣": "-", "➖": "-",
    "º": "°", "˚": "°", "∘": "°", "゜": "°", "⁰": "°", "℃": "℃",
    "∏": "π", "𝜋": "π", "𝝅": "π", "П": "π",
    "’": "′", "‘": "′", "'": "′", "ʹ": "′", "”": "″", "“": "″", '"': "″", "ʺ": "″",
    "≒": "≈", "≅": "≈", "。": ".", "∶": ":", "≔": ":=", "…": "...", "⋯": "...", "⟹": "⇒", "➔": "→",
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
        **{chr(0x2080 + digit): f"_{digit}" for digit in range(10)},  # x₁
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full width forms
    }
)
_GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "theta": "θ",
    "phi": "φ", "varphi": "φ", "omega": "ω",
}  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁻¹²³⁴⁵⁶⁷⁸⁹", "-123456789")


def _repeating(decimal: re.Match[str]) -> str:
    """0.1\\overline{6} as a fraction, 15/90."""
    whole, fixed, again = decimal[1], decimal[2], decimal[3] or decimal[4]
    over = int(whole + fixed + again) - int(whole + fixed or 0)
    return f"\\frac{{{over}}}{{{'9' * len(again)}{'0' * len(fixed)}}}"


_WRAPPER = re.compile(
    r"\\(?:boxed|fbox|text|textrm|textbf|textit|textsf|texttt|emph|underline|mathrm|mathbf|mathit|mathsf|mathtt"
    r"|boldsymbol|bm|mbox|hbox|operatorname|mathbin|mathrel|mathop|ensuremath|rm|bf|it)\s*\{"
)
_Replacements = list[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]]
_SPACES: _Replacements = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(?:^|(?<=[=:] ))~(?=[\d√.])", "≈"),  # "about"; elsewhere it is LaTeX's space
        (r"\\\\(?=[a-zA-Z,;!()\[\]])", r"\\"),  # escaped once too often
        (r"(?<=\d)(?:\\,|\{,\})(?=\d{3})", ","),  # 1\,200 and 1{,}200
        (
            r"\\[,;:!>]|\\(?:q?quad|enspace|enskip|(?:neg)?(?:thin|med|thick)space|nobreakspace|displaystyle"
            r"|textstyle|scriptstyle|limits|hfill|newline|bfseries|itshape)(?![a-zA-Z])|\\[hm]space\*?\s*\{[^{}]*\}"
            r"|\\[hv]?phantom\s*\{[^{}]*\}|\\(?:text)?color\s*\{\w*\}|~|\\\\|\\ |\\$",
            " ",
        ),
    )
]
_REPLACEMENTS: _Replacements = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"(\\(?:[dtc]?frac\s*(?:\{[^{}]*\}\s*)?|sqrt\s*|\^\s*)\{\s*\})|\{\s*\}", r"\1"),  # empty braces
        (r"\{\s*\{([^{}]*)\}\s*\}", r"{\1}"),
        (r"\\(?:left|right|[bB]igg?[lr]?)(?=\s*[()\[\]])", ""),
        (r"\\[()\[\]]|\$", " "),  # the borders of a formula
        (r"\\(?:rm|bf|it)(?![a-zA-Z])", " "),
        (r"\^\s*(?:\{\s*(?:\\circ|\\degree|°|o)\s*\}|\\circ(?![a-zA-Z])|\\degree|°|o(?![a-zA-Z]))", "°"),
        (r"\\(?:degree|textdegree|circ)(?![a-zA-Z])", "°"),
        (r"\\(?:times|cdot|ast)(?![a-zA-Z])", "*"),
        (r"\\div(?![a-zA-Z])", "/"),
        (r"\\(?:approx|simeq|thickapprox)(?![a-zA-Z])", "≈"),
        (r"\\(?:coloneqq|coloneq)(?![a-zA-Z])", ":="),
        (r"\\colon(?![a-zA-Z])", ":"),
        (r"\\(?:[lc]?dots)(?![a-zA-Z])", "..."),
        (r"\\therefore(?![a-zA-Z])", "∴ "),
        (r"\\(?:Rightarrow|implies)(?![a-zA-Z])", "⇒ "),
        (r"\\(?:angle|measuredangle)(?![a-zA-Z])", "∠"),
        (r"\\triangle(?![a-zA-Z])", "△"),
        (r"\\odot(?![a-zA-Z])", "⊙"),
        (r"\\(sin|cos|tan|cot)(?![a-zA-Z])", r" \1 "),
        (
            r"\\(alpha|beta|gamma|delta|theta|phi|varphi|omega)(?![a-zA-Z])",  # names of angles
            lambda match: _GREEK[match[1]],
        ),
        (r"\\(?:overline|widehat|overarc|bar|hat)\s*\{\s*([A-Za-z]+)\s*\}", r"\1"),  # a segment, an arc
        (
            r"(\d{0,15})\.(\d{0,15})(?:\\(?:overline|bar|dot)\s*\{(\d{1,15})\}|(?<=\.)\((\d{1,15})\))",
            _repeating,
        ),
        (r"\\prime(?![a-zA-Z])", "′"),
        (r"\\(?:lparen|lbrack)(?![a-zA-Z])", "("),
        (r"\\[dtc]frac(?![a-zA-Z])", r"\\frac"),
        (r"\\?sqrt(?![a-zA-Z])|\\surd(?![a-zA-Z])", "√"),
        (r"\\[pP]i(?![a-zA-Z])|(?<![a-zA-Z\\])[pP]i(?![a-zA-Z])", "π"),
        (r"\\%|\s*\b(?:percent|per cent|pct)\b", "%"),
        (r"(?<=\d)[eE](?=[-+]?\d)", "e"),
        (r"(?<=[\d)]) ?[xX] ?(?=[\d(])", "*"),
        (r"\*\*", "^"),
        (r"(⁻?[¹²³⁴⁵⁶⁷⁸⁹]+)", lambda match: f"^{{{match[1].translate(_SUPERSCRIPTS)}}}"),
        (r"\^\s*\{?\s*′′\s*\}?|′′", "″"),
        (r"\^\s*\{?\s*′\s*\}?", "′"),
        (r"\\frac\s*(\d)", r"\\frac{\1}"),  # \frac12: TeX takes one digit each
        (r"(\\frac\{\d+\})\s*(\d)", r"\1{\2}"),
        (r"(?<=\d)\{(\\frac\{\d+\}\{\d+\})\}", r"\1"),  # a mixed number
        (r"(?<![\^_√\]a-zA-Z])\{\s*([A-Za-z一-鿿][A-Za-z一-鿿 ]*)\}", r" \1 "),  # {cm}, {AB}
        (r"\s+", " "),
    )
]
_QUOTED = re.compile(r"\A[\"“'‘「](.+)[\"”'’」]\.?\Z", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\w)}*`])(\*{1,3}|_{1,3}|`+)(?=\S)(.*?\S)\1(?![\d*_`(√π\\])")


def plain_spelling(text: str) -> str:
    """The text with one sign per meaning, without formatting and without a final full stop."""
    text = _QUOTED.sub(r"\1", html.unescape(text).strip()).translate(_CHARACTERS)
    before = None
    while text != before:  # **\boxed{5}**, \(\boxed{5}\): each step removes something
        before = text
        for pattern, replacement in _SPACES:
            text = pattern.sub(replacement, text)
        text = _unwrapped(_EMPHASIS.sub(_inside, _without_full_stop(text.strip()))).strip()
    for pattern, replacement in _REPLACEMENTS:
        text = pattern.sub(replacement, text)
    return _without_full_stop(text.strip())


def _unwrapped(text: str) -> str:
    """Without boxes and fonts, but with their content."""
    at = 0
    while found := _WRAPPER.search(text, at):
        depth, end = 1, found.end()
        while end < len(text) and depth:
            depth += (text[end] == "{") - (text[end] == "}")
            end += 1
        if depth:  # never closed
            return text
        text = f"{text[: found.start()]} {text[found.end() : end - 1]} {text[end:]}"
        at = found.start()
    return text


def _inside(emphasis: re.Match[str]) -> str:
    """The text that is emphasised; after a number, the stars are those of a product."""
    before = emphasis.string[: emphasis.start()].rstrip()[-1:]
    return emphasis[0] if before.isdigit() or before in tuple(")}π%°") else emphasis[2]


def _without_full_stop(text: str) -> str:
    """Without a final full stop, comma or semicolon."""
    return text[:-1].rstrip() if text.endswith((".", ",", ";", "、")) and not text.endswith("..") else text
