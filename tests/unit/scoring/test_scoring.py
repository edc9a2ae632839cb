"""The r1v scorers and the format, on literal completions; expectations follow R1-V's files by hand."""

import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from othink_mr1 import scoring
from othink_mr1.config.load import load_study
from othink_mr1.errors import UserError
from othink_mr1.scoring import counting, geometry
from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.r1v_accuracy import load_math_verify
from othink_mr1.scoring.task_scorers import check_gold, check_scorers, known_scorers, load_scorer, verdict


@pytest.mark.parametrize(
    ("completion", "followed"),
    [
        ("<think>a</think><answer>b</answer>", True),
        ("<think>a</think> \n <answer>b</answer>", True),
        ("<think></think><answer></answer>", True),
        ("<think>a\nb</think>\n<answer>\n7\n</answer>", True),  # the dot matches line ends
        ("<think>a</think><answer>b</answer><answer>c</answer>", True),  # the lazy dot grows: R1-V's pattern
        (" <think>a</think><answer>b</answer>", False),  # the whole completion must match
        ("<think>a</think><answer>b</answer>\n", False),
        ("<think>a</think> so <answer>b</answer>", False),
        ("<answer>b</answer>", False),
        ("<think>a</think><answer>b", False),  # truncated
        ("<Think>a</Think><answer>b</answer>", False),
        ("", False),
    ],
)
def test_format(completion, followed):
    assert format_followed(completion) is followed


pieces = st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", " ", "\n", "\u00a0", "5", "<"])


@settings(max_examples=2000, deadline=None)
@given(st.lists(pieces, max_size=12))
def test_format_is_the_published_pattern(parts):
    text = "".join(["<think>", *parts, "</answer>"] if len(parts) % 2 else parts)
    published = re.fullmatch(r"<think>.*?</think>\s*<answer>.*?</answer>", text, re.DOTALL) is not None
    assert format_followed(text) is published


@pytest.mark.parametrize(
    ("completion", "gold", "correct"),
    [
        ("<think>2 3 2</think> <answer> 7 </answer>", "7", True),
        ("<answer>7</answer>", "7", True),
        ("<answer>\n07\n</answer>", "7", True),  # compared as integers
        ("<answer>٧</answer>", "7", True),  # \d and int() know all decimal digits
        ("<answer> 8 </answer>", "7", False),
        ("<answer> 7. </answer>", "7", False),
        ("<answer> -7 </answer>", "7", False),
        ("<answer> 7.0 </answer>", "7", False),
        ("<answer> seven </answer>", "7", False),
        ("There are 7 things.", "7", False),
        ("<think> <answer> 7 </answer> </think> <answer> 8 </answer>", "7", True),  # thinking is not left out
        ("<answer> 7 </answer> or 8", "7", True),
        ("so <answer>\t7\u00a0</answer>", "7", True),  # all white space
        ("<answer> 7 things </answer>", "7", False),
        ("<answer> $7$ </answer>", "7", False),
        ("<answer> \\boxed{7} </answer>", "7", False),
        ("<answer> +7 </answer>", "7", False),
        ("<Answer> 7 </Answer>", "7", False),
        ("<answer> 7", "7", False),
        ("<answer></answer>", "7", False),
        ("<answer> 7 <answer> 8 </answer>", "8", True),  # the first that holds nothing but digits
        ("<answer> 8 </answer><answer> 7 </answer>", "7", False),
        ("<answer> many </answer><answer> 7 </answer>", "7", True),
        ("<answer>" + "9" * 5000 + "</answer>", "7", False),  # int() refuses it
        ("", "7", False),
    ],
)
def test_counting(completion, gold, correct):
    assert counting.r1v_correct(completion, gold) is correct


# What math-verify makes of completions of every kind; the same with its releases 0.5.2 to 0.9.0.
@pytest.mark.parametrize(
    ("completion", "gold", "correct"),
    [
        # The answer stands where and as it should, with white space around.
        ("<think>180 - 40 = 140</think> <answer> 140° </answer>", "140°", True),
        ("<think>180 - 40</think> <answer> 140 </answer>", "140°", True),  # the degree sign is dropped
        ("<think>180 - 40 = 140</think>\n<answer>\n140\n</answer>", "140°", True),
        ("<think>so</think> <answer> 70 </answer>", "140°", False),
        ("<answer> 140. </answer>", "140°", True),
        ("<answer> 140.0 </answer>", "140°", True),
        ("<answer> -140 </answer>", "140°", False),
        ("<answer> 140% </answer>", "140°", True),
        ("<answer> 140 degrees </answer>", "140°", True),
        ("<answer> 140cm </answer>", "140°", True),  # units are not looked at
        ("<answer> B. 140° </answer>", "140°", True),
        ("<answer> B </answer>", "140°", False),
        ("<answer> ∠A = 140° </answer>", "140°", True),
        ("<answer> ∠A=140° </answer>", "140°", True),
        ("<answer> 1,400 </answer>", "1400", True),
        ("<answer> 2,5 </answer>", "2.5", True),  # a decimal comma
        # Tags without inner spaces: a number must follow white space or "=".
        ("<answer>140°</answer>", "140°", False),
        ("<answer> 140°</answer>", "140°", True),
        ("<answer>140° </answer>", "140°", False),
        ("<think>it is 140</think><answer>80</answer>", "140°", True),  # so another number is taken
        ("<answer>$140^\\circ$</answer>", "140°", True),  # formulas need none
        ("<answer>\\frac{12}{5}</answer>", "\\frac{12}{5}", True),
        # Text before, after, instead of the answer: the last number in the whole completion counts,
        ("It is 140", "140°", True),
        ("<think> ∠A=140°", "140°", True),
        ("<think>140", "140°", False),
        ("∠1 = ∠2 = 140°, so the answer is B", "140°", True),
        ("70 140", "140°", False),  # one number with a space
        ("140, 70", "140°", False),
        ("<answer> 140 </answer> Note that 70 is half.", "140°", False),
        # unless one is announced,
        ("<think>final answer is 140</think> <answer> 70 </answer>", "140°", True),
        ("<answer> 140 </answer>. So the final answer is 70.", "140°", False),
        # or boxed.
        ("\\boxed{140}", "140°", True),
        ("\\boxed{140^\\circ}", "140°", True),
        ("<answer> 70 </answer> \\boxed{140}", "140°", True),
        ("The answer is \\boxed{140^\\circ}. <answer> 70 </answer>", "140°", True),
        ("$\\boxed{70}$. Then $\\boxed{140}$", "140°", True),  # the last of several,
        ("$\\boxed{140}$. Then $\\boxed{70}$", "140°", False),
        ("$\\boxed{70}$ and $\\boxed{140}$", "140°", False),  # a set of both
        ("\\boxed{140} then \\boxed{70}", "140°", False),
        # LaTeX
        ("<answer> $140^\\circ$ </answer>", "140°", True),
        ("<answer> \\(140\\) </answer>", "140°", True),
        ("<answer> \\[140\\] </answer>", "140°", True),
        ("<answer> $x = 140$ </answer>", "140°", True),
        ("<answer> \\frac{12}{5} </answer>", "\\frac{12}{5}", True),
        ("<answer> $\\frac{12}{5}$ </answer>", "\\frac{12}{5}", True),
        ("<answer> 12/5 </answer>", "\\frac{12}{5}", True),
        ("<answer> 2.4 </answer>", "\\frac{12}{5}", True),
        ("<answer> 0.333 </answer>", "\\frac{1}{3}", False),
        ("<answer> 0.333333 </answer>", "\\frac{1}{3}", True),  # six decimals
        # Units of the gold
        ("<answer> 5 </answer>", "5cm", True),
        ("<answer> 5 </answer>", "5cm^2^", True),
        ("<answer> 5 </answer>", "5平方米", True),
        ("<answer> 3 </answer>", "3秒", True),
        # Faults, as published: roots and π are lost,
        ("<answer> 8 </answer>", "8√{3}", True),
        ("<answer> 8√{3} </answer>", "8√{3}", True),
        ("<answer> 8\\sqrt{3} </answer>", "8√{3}", True),
        ("<answer> $8\\sqrt{3}$ </answer>", "8√{3}", False),  # also where the answer has them
        ("<answer> 10 </answer>", "10√{2}m", True),
        ("<answer> 65 </answer>", "65π", True),
        ("<answer> $65\\pi$ </answer>", "65π", False),
        ("<answer> 240 </answer>", "240πcm^{2}", True),
        ("<answer> 60 </answer>", "60√{3}+1", True),
        ("<answer> 1.5 </answer>", "\\frac{3}{2}√{3}", True),
        # and some golds never parse.
        ("<answer> √{3} </answer>", "√{3}", False),
        ("<answer> π </answer>", "π", False),
        ("<answer> \\frac{√{3}}{2} </answer>", "\\frac{√{3}}{2}", False),
        ("<answer> (√{3}+1)小时 </answer>", "(√{3}+1)小时", False),
        ("", "140°", False),
        (" ", "140°", False),
    ],
)
def test_geometry(completion, gold, correct):
    assert geometry.r1v_correct(completion, gold) is correct


@pytest.mark.parametrize("scorer", [counting, geometry])
@pytest.mark.parametrize(
    ("completion", "gold", "reward"),
    [
        ("<think>so</think> <answer> 7 </answer>", "7", 1.0),
        ("<think>so</think><answer>7</answer>", "7", 1.0),  # same strings, though math-verify sees no number
        ("<think>so 7</think> <answer> many </answer>", "7", 1.0),  # math-verify takes the last number
        ("<think>so</think> <answer> 14/2 </answer>", "7", 1.0),
        ("<answer> √{3} </answer>", "√{3}", 1.0),  # math-verify fails, the strings agree
        ("√{3}", "√{3}", 1.0),  # without an answer tag the whole completion is compared
        ("<answer>\n√{3}\n</answer>", "√{3}", 0.0),  # R1-V's answer pattern stays on one line
        ("<think>so</think> <answer> 8 </answer>", "7", 0.0),
        ("", "7", 0.0),
    ],
)
def test_training_reward(scorer, completion, gold, reward):
    assert scorer.r1v_reward(completion, gold) == reward


def test_verify_is_called_in_the_order_of_r1v():
    # verify(gold, prediction) takes the right side of an equation in the prediction, but in the gold only
    # of an assignment; R1-V puts the completion first.
    assert geometry.r1v_correct("It follows that $2x=5$", "5") is False
    assert geometry.r1v_correct("It follows that 5", "$2x=5$") is True


def test_the_shorter_way_to_a_number_gives_the_same_number():
    import sympy

    number = load_math_verify().parser.Number
    for text in ("0", "7", "-7", "-0", "140", "9" * 99, "2.5", "-2.5", "0.0", ".5"):
        expected = sympy.Number(text)
        assert number(text) == expected
        assert type(number(text)) is type(expected)
    for text in ("-007", "9" * 5000):  # sympy's own way, which refuses them
        with pytest.raises(ValueError):  # noqa: PT011  of many kinds
            number(text)


def test_an_unknown_scorer_of_a_task_is_refused_before_work_begins(tmp_path):
    (tmp_path / "own.yaml").write_text("tasks: {counting: {scorer: nonsense}}")
    with pytest.raises(
        UserError, match=r"tasks.counting.scorer: scorer 'nonsense': unknown; known are counting"
    ):
        check_scorers(load_study([Path("config.yaml"), tmp_path / "own.yaml"]))


def test_scorers_are_found_by_name():
    assert load_scorer("counting") is counting
    assert load_scorer("geometry") is geometry
    assert known_scorers() == ["counting", "geometry"]
    for name in ("sizes", "format", "scoring.counting", ""):  # `format` is a module here, but scores no task
        with pytest.raises(UserError, match="known are counting, geometry"):
            load_scorer(name)


OWN_SCORER = """
from othink_mr1.scoring.outcomes import Judgement
def r1v_correct(completion, gold): return True
def r1v_reward(completion, gold): return 1.0
def exact_outcome(completion, gold): return Judgement("correct")
def exact_reward(completion, gold): return True
"""


@pytest.fixture
def own_scorer(tmp_path, monkeypatch):
    """Writes a module into the package of scorers, as another name each time."""
    monkeypatch.setattr(scoring, "__path__", [*scoring.__path__, str(tmp_path)])
    written = []

    def write(text):
        written.append(f"own_{len(written)}")
        (tmp_path / f"{written[-1]}.py").write_text(text)
        return written[-1]

    yield write
    for name in written:
        sys.modules.pop(f"{scoring.__name__}.{name}", None)
        if hasattr(scoring, name):
            delattr(scoring, name)
    load_scorer.cache_clear()


def test_an_own_scorer_is_its_module_alone(own_scorer):
    name = own_scorer(OWN_SCORER)
    assert load_scorer(name).exact_outcome("", "5").correct
    assert verdict(name, "exact_reward", "", "5") == 1
    check_gold("5", [name])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:", r"own_0.py cannot be imported \(SyntaxError: invalid syntax \(own_0.py, line 1\)\)"),
        ("\nimport nothing_of_this_name", r"cannot be imported \(ModuleNotFoundError in line 2: No module"),
        ("import sys; sys.exit(0)", r"cannot be imported \(SystemExit in line 1: 0\)"),
        ("def r1v_correct(c, g): return 1", "has no function r1v_reward, exact_outcome, exact_reward; known"),
    ],
)
def test_a_faulty_module_of_a_scorer_ends_in_one_line(own_scorer, text, said):
    with pytest.raises(UserError, match=said):
        load_scorer(own_scorer(text))


@pytest.mark.parametrize(
    ("rule", "body", "said"),
    [
        ("r1v_correct", "1", "r1v_correct returned 1, not True or False, for the gold '5' and an answer"),
        ("r1v_correct", "None", "returned None, not True or False"),
        ("r1v_reward", "None", "returned None, not 0 or 1"),
        ("exact_reward", "0.5", "returned 0.5, not 0 or 1"),
        ("exact_outcome", "None", "returned None, not a Judgement of correct, wrong"),
        ("exact_outcome", "Judgement('right')", "returned Judgement.*, not a Judgement of correct, wrong"),
        ("exact_outcome", "completion[99]", "exact_outcome raised IndexError in line 7: string index"),
        ("exact_outcome", "exit()", "exact_outcome raised SystemExit in line 7"),
    ],
)
def test_what_is_no_verdict_ends_in_one_line(own_scorer, rule, body, said):
    name = own_scorer(f"{OWN_SCORER}def {rule}(completion, gold): return {body}\n")
    with pytest.raises(UserError, match=said):
        verdict(name, rule, "<answer> 6 </answer>", "5")
    if rule == "exact_outcome":
        with pytest.raises(UserError, match=said):
            check_gold("5", [name])
