"""The exact scorer: which text is the answer, counting, and the reasons of geometry's verdicts."""

import pytest

from othink_mr1.errors import UserError
from othink_mr1.scoring import counting, geometry
from othink_mr1.scoring.answer_tag import answer_text
from othink_mr1.scoring.outcomes import Judgement

T = "<think>so</think>"


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (f"{T}<answer>5</answer>", "5"),
        (f"{T} <answer>\n 5 \n</answer>", "5"),
        ("<answer>5</answer>", "5"),
        (f"{T}<answer>5</answer> I hope this helps: 6.", "5"),  # text after the answer is not looked at
        ("Then 7. <answer>5</answer>", "5"),
        ("<think><answer>4</answer></think><answer>5</answer>", "5"),  # thinking is no answer
        ("<think>a</think><think><answer>4</answer></think><answer>5</answer>", "5"),
        ("<think>a <think> b</think><answer>5</answer>", "5"),
        ("So <think><answer>4</answer></think> <answer>5</answer>", "5"),  # also behind other text
        ("<answer>5</answer><think>right?</think>", "5"),
        ("<think>never closed <answer>5</answer>", "5"),
        ("never opened</think><answer>5</answer>", "5"),
        (f"{T}<answer>5</answer><answer> 5 </answer>", "5"),  # the same answer twice
        ("<answer><answer>5</answer></answer>", "5"),  # nested, one text
        ("<answer>5</answer></answer>", "5"),
        ("<answer>5</answer><answer>", "5"),
        ("<answer></answer>", ""),
        ("<answer></answer><answer>5", ""),  # a text that no tag closes is no answer
        ("<answer> </answer><answer>5</answer>", "5"),
        ("<answer>8\u221a3 <b>cm</b></answer>", "8\u221a3 <b>cm</b>"),  # other tags are text
    ],
)
def test_the_answer_of_a_completion(completion, answer):
    assert answer_text(completion) == answer


@pytest.mark.parametrize(
    ("completion", "outcome", "reason"),
    [
        ("", "no_answer_tag", "no tag"),
        ("5", "no_answer_tag", "no tag"),
        ("\\boxed{5}", "no_answer_tag", "no tag"),
        ("<think><answer>5</answer></think>", "no_answer_tag", "no tag"),  # in the thinking alone
        ("<think><answer>5</answer></think> 5", "no_answer_tag", "no tag"),
        ("<Answer>5</Answer>", "no_answer_tag", "no tag"),  # spelled otherwise
        ("<answer >5</answer >", "no_answer_tag", "no tag"),
        ("5</answer>", "no_answer_tag", "no tag"),
        (f"{T}<answer>5", "no_answer_tag", "not closed"),  # cut off
        ("</answer>5<answer>", "no_answer_tag", "not closed"),
        ("<answer>4</answer><answer>5</answer>", "several_answers", "2 different answers"),
        ("<answer>4</answer> no: <answer>5", "several_answers", "2 different answers"),
        ("<answer>so <answer>5</answer>", "several_answers", "2 different answers"),
        ("<answer>4<answer>5</answer>6</answer>", "several_answers", "2 different answers"),
        ("<answer>5</answer><answer>5.0</answer>", "several_answers", "2 different answers"),  # by text
        ("<answer>1</answer><answer>2</answer><answer>5</answer>", "several_answers", "3 different answers"),
    ],
)
def test_no_answer_or_several(completion, outcome, reason):
    assert answer_text(completion) == Judgement(outcome, reason)
    for scorer in (counting, geometry):
        assert scorer.exact_outcome(completion, "5") == Judgement(outcome, reason)
        assert scorer.exact_reward(completion, "5") == 0.0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("7", "correct"),
        ("07", "correct"),
        ("\n7\n", "correct"),
        ("７", "correct"),  # all decimal digits, as in the published scorer
        ("seven", "correct"),
        ("Seven", "correct"),
        ("SEVEN", "correct"),
        ("8", "wrong"),
        ("-7", "wrong"),
        ("eight", "wrong"),
        ("seventy", "wrong"),
        ("77", "wrong"),
        ("7.", "unparseable"),  # nothing else in the tag
        ("7.0", "unparseable"),
        ("7 items", "unparseable"),
        ("$7$", "unparseable"),
        ("\\boxed{7}", "unparseable"),
        ("x = 7", "unparseable"),
        ("3 + 4", "unparseable"),
        ("7 8", "unparseable"),
        ("seven things", "unparseable"),
        ("sevenseven", "unparseable"),
        ("a dozen", "unparseable"),
        ("", "unparseable"),
        ("9" * 5000, "unparseable"),
        ("7\0", "unparseable"),
    ],
)
def test_counting(answer, outcome):
    assert counting.exact_outcome(f"{T} <answer>{answer}</answer>", "7").outcome == outcome


def test_number_words():
    words = {"zero": 0, "twelve": 12, "nineteen": 19, "twenty": 20, "twenty-one": 21, "Twenty One": 21}
    words |= {"forty  two": 42, "ninety-nine": 99}
    for word, number in words.items():
        assert counting.exact_outcome(f"<answer>{word}</answer>", str(number)).correct, word
    for word in ("one hundred", "twenty-ten", "twenty-zero", "one two", "ten-one", "-one", "twentyone"):
        assert counting.exact_outcome(f"<answer>{word}</answer>", "21").outcome == "unparseable", word


@pytest.mark.parametrize("gold", ["145°", "many", "7.0", "", "1_0", "9" * 5000, "-7", "four"])
@pytest.mark.parametrize("rule", [counting.r1v_correct, counting.exact_outcome])
def test_counting_refuses_a_gold_that_is_no_integer(rule, gold):
    with pytest.raises(UserError, match="must be an integer"):
        rule("<answer> 7 </answer>", gold)


# Of primes: 55 digits before the point.
_ROOTS = "".join(f"√{9_999_999_700 + last}" for last in (267, 243, 229, 181, 151, 133, 117, 87, 81, 69, 27))


@pytest.mark.parametrize(
    ("answer", "gold", "outcome", "reason"),
    [
        ("5cm", "5m", "wrong", "another value"),  # converts
        ("5kg", "5m", "wrong", "unit differs: kg / m"),
        ("5cm^2", "5cm", "wrong", "unit differs: cm^2 / cm"),
        ("13.8", "8√{3}", "wrong", "another value"),
        ("1.7", "√{3}", "wrong", "too few digits"),
        ("205", "65π", "wrong", "another value"),
        ("200", "65π", "wrong", "another value"),
        ("14", "8√{3}", "wrong", "too few digits"),
        ("1429/7", "65π", "wrong", "another value"),
        ("about 5", "5", "wrong", "only approximate"),
        ("4", "5", "wrong", "another value"),
        ("B", "5", "unparseable", "not a value"),
        ("", "5", "unparseable", "empty"),
        ("1/0", "5", "unparseable", "division by zero"),
        ("√(-4)", "2", "unparseable", "root of a negative number"),
        ("√(1+π)", "2", "unparseable", "root of a sum"),
        ("0^0", "1", "unparseable", "power of zero"),
        ("2^{100}", "2", "unparseable", "exponent too large"),
        ("2^3^2", "64", "unparseable", "power of a power"),
        ("1\\frac{3}{2}", "2.5", "unparseable", "mixed number with an improper fraction"),
        ("(" * 30 + "5" + ")" * 30, "5", "unparseable", "nested too deeply"),
        ("9" * 60, "5", "unparseable", "number too large"),
        ("((9^20)^20)^20", "5", "unparseable", "number too large"),
        ("√123456789012345", "5", "unparseable", "number too large"),
        # Powers of π have no bits that could be too many; these ended in an error of Decimal.
        ("√(((((π^20)^20)^20)^20)^20)", "5", "unparseable", "number too large"),
        ("((π^20)^20)^20 (2.4)", "5", "unparseable", "number too large"),
        ("1e40*1e40*1e39" + "π" * 170 + " (2.4)", "5", "wrong", "another value"),
        ("1e40*1e40*1e39" + _ROOTS + " (.0000000000000000000000000000000001)", "5", "wrong", "another value"),
        ("5 " * 120, "5", "unparseable", "longer than 200 characters"),
        ("5 and 6", "5", "several_answers", "several values in the tag"),
    ],
)
def test_reasons(answer, gold, outcome, reason):
    assert geometry.exact_outcome(f"<answer>{answer}</answer>", gold) == Judgement(outcome, reason)


def test_a_gold_that_is_no_value_is_compared_as_text():
    for gold, same, other in (
        ("AB ⊥ CD", "AB⊥CD", "AB ∥ CD"),
        ("1:2:3", "1：2：3", "1/2"),
        ("x>5", "$x>5$", "5"),
    ):
        assert geometry.exact_outcome(f"<answer>{same}</answer>", gold).correct
        judgement = geometry.exact_outcome(f"<answer>{other}</answer>", gold)
        assert judgement == Judgement("wrong", "gold is no value; another text")


@pytest.mark.parametrize("gold", ["nan", "None", "null", "inf", "1/0", "√{-4}", "?", "<i>5</i>"])
def test_geometry_refuses_a_gold_that_no_answer_can_meet(gold):
    with pytest.raises(UserError, match=r"gold .*: (is no value|holds a tag)"):
        geometry.exact_outcome(f"<answer>{gold}</answer>", gold)
