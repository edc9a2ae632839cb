"""Text in pictures: measured, wrapped, cut, made harmless."""

import pytest

from othink_mr1.exhibits.text import shortened, text_width, visible, wrapped


def test_widths_are_helveticas():
    # From its metrics: A 667, W 944, i 222, space 278, ~ 584 thousandths.
    assert text_width("AWi ~", 10) == pytest.approx(6.67 + 9.44 + 2.22 + 2.78 + 5.84)
    assert text_width("√", 10) == 6.2  # in the font, about as wide as any sign
    # Chinese characters are square; not in the font, so with room for another one.
    assert text_width("小时", 12) == 24 * 1.25
    assert text_width("∠A", 10) == pytest.approx((6.2 + 6.67) * 1.25)


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
