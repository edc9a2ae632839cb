"""Text in pictures: measured, wrapped, cut, made harmless."""

import base64
import io
import re

import pytest
from fontTools.ttLib import TTFont
from PIL import ImageFont

from othink_mr1.exhibits.font import FILE, font_face, in_font, shortened, text_width, wrapped
from othink_mr1.exhibits.text import latex_text, visible

# What questions, golds, completions and our own labels are written with.
SIGNS = (
    "∠√π△⊥∥≅⊙°′″²³×÷±≤≥≠≈−–—‘’“”•…←→↑↓□■○●▲▼αβγδθμσωΔΣΩ∞∫⌒∵∴·，。：？（）如图所示求角三形面积的度数正确答案"
)


def test_the_font_has_what_is_written_and_is_small():
    assert in_font(SIGNS) == SIGNS
    assert all(in_font(chr(code)) == chr(code) for code in range(0x20, 0x7F))
    assert FILE.stat().st_size < 2 * 2**20


def test_a_character_that_the_font_lacks_is_a_box():
    """Else the renderer would take a glyph from whatever font the machine has."""
    assert in_font("a😀ᚠ\n∠") == "a□□\n∠"


def test_widths_are_those_that_are_drawn():
    drawn = ImageFont.truetype(FILE, 1000)
    for text in ("AWi ~", "∠A = 30°", "小时", "√2π"):
        assert text_width(text, 1000) == pytest.approx(drawn.getlength(text, features=["-kern"]), abs=2), text


def test_an_svg_carries_the_glyphs_that_it_shows():
    data = base64.b64decode(re.search(r"base64,([^)]+)", font_face(set("∠A面")))[1])
    assert set(TTFont(io.BytesIO(data)).getBestCmap()) == set(map(ord, "∠A面"))


def test_latex_text_is_harmless():
    assert latex_text("50 % of $x_1$ & {y} \\end #~^") == (
        r"50 \% of \$x\_1\$ \& \{y\} \textbackslash{}end \#\textasciitilde{}\textasciicircum{}"
    )
    assert latex_text("α = 0 → β ∠ 面 é") == r"$\alpha$ = 0 $\rightarrow$ $\beta$ $\angle$ ? é"


@pytest.mark.parametrize("width", [40, 77, 200])
def test_wrapped_lines_fit_and_lose_nothing(width):
    text = "the angle ACB is 40° since " + "9" * 60 + " <answer>√{3}</answer>"
    lines = wrapped(text, width, 12)
    assert all(text_width(line, 12) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_wrapping_keeps_paragraphs():
    assert wrapped("a\n\nb c", 100, 12) == ["a", "", "b c"]


def test_shortened_keeps_the_end():
    lines = [str(number) for number in range(10)]
    assert shortened(lines, 10) == lines
    assert shortened(lines, 5) == ["0", "1", "…", "8", "9"]
    assert shortened(lines, 4) == ["0", "…", "8", "9"]


def test_what_cannot_be_printed_becomes_visible():
    assert visible("a\x00\x1b[31m\u202ereversed\ud800\n\tb\r\nc") == "a□□[31m□reversed□\n b\nc"
