"""Random values in random spellings: all spellings of a value agree, those of different values do not."""

from fractions import Fraction

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from othink_mr1.scoring import geometry
from othink_mr1.scoring.surds import PI, rational, square_root

numerators = st.integers(1, 400)
denominators = st.integers(1, 24)
radicands = st.sampled_from([1, 2, 3, 5, 6, 7, 10, 15, 30])
# A value: ± numerator/denominator · √radicand · π^(0 or 1), and an integer behind it.
values = st.tuples(st.booleans(), numerators, denominators, radicands, st.booleans(), st.integers(-9, 9))
# Choices of the writer: spelling of the root, of π, of the fraction, of the factor, the decoration.
spellings = st.tuples(*(st.integers(0, 5) for _ in range(5)))

ROOTS = ("√{{{}}}", "√{}", "\\sqrt{{{}}}", "sqrt({})", "√({})", "({})^{{\\frac{{1}}{{2}}}}")
PIS = ("π", "\\pi ", "pi", "π", "\\pi ", "π")
TIMES = ("", "*", "\\cdot ", "×", " ", "\\times ")
DECORATIONS = ("{}", "${}$", "\\({}\\)", "x = {}", "\\boxed{{{}}}", "  {}.")


def exact(value):
    negative, numerator, denominator, radicand, with_pi, behind = value
    number = rational(Fraction(-numerator if negative else numerator, denominator)) * square_root(
        rational(radicand)
    )
    return (number * PI if with_pi else number) + rational(behind)


def spelled(value, spelling):
    negative, numerator, denominator, radicand, with_pi, behind = value
    root, pi, fraction, times, decoration = spelling
    factors = []
    over = [str(numerator)]
    irrational = [ROOTS[root].format(radicand)] if radicand > 1 else []
    irrational += [PIS[pi]] if with_pi else []
    inside = fraction in (0, 1) and denominator > 1
    if inside:
        over += irrational
    product = TIMES[times].join(over)
    if denominator == 1:
        factors = [product]
    elif fraction in (0, 2):
        factors = [f"\\frac{{{product}}}{{{denominator}}}"]
    elif fraction in (1, 3):
        factors = [f"({product})/{denominator}"]
    else:  # not reduced
        factors = [f"\\dfrac{{{numerator * 6}}}{{{denominator * 6}}}"]
    if not inside:
        factors += irrational
    text = TIMES[times].join(factors)
    text = f"-{text}" if negative else text
    if behind:
        text = f"{text}{behind:+d}"
    return DECORATIONS[decoration].format(text)


@settings(max_examples=300, deadline=None)
@given(values, spellings, spellings)
def test_spellings_of_one_value_agree(value, one, other):
    gold, answer = spelled(value, one).replace("x = ", ""), spelled(value, other)
    assert geometry.exact_outcome(f"<answer>{answer}</answer>", gold).outcome == "correct", (gold, answer)


@settings(max_examples=300, deadline=None)
@given(values, values, spellings, spellings)
def test_spellings_of_different_values_do_not_agree(value, another, one, other):
    assume(exact(value) != exact(another))
    gold, answer = spelled(value, one).replace("x = ", ""), spelled(another, other)
    assert geometry.exact_outcome(f"<answer>{answer}</answer>", gold).outcome == "wrong", (gold, answer)


@settings(max_examples=200, deadline=None)
@given(values, st.integers(1, 8))
def test_a_decimal_of_an_irrational_value_must_round_to_it(value, decimals):
    assume(value[3] > 1 or value[4])
    gold = spelled(value, (0, 0, 0, 0, 0))
    shown = round(exact(value).approximate(), decimals)
    assume(sum(digit.isdigit() for digit in str(abs(shown)).replace(".", "").lstrip("0")) >= 3)
    one_more = shown + (1 if shown > 0 else -1) * type(shown)(10) ** -decimals
    assert geometry.exact_reward(f"<answer>{shown:f}</answer>", gold) == 1.0
    assert geometry.exact_reward(f"<answer>{one_more:f}</answer>", gold) == 0.0
