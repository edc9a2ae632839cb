"""The r1v scorers and the format, on literal completions; expectations follow R1-V's files by hand."""

import threading

import pytest

from othink_mr1.errors import UserError
from othink_mr1.scoring import counting, geometry
from othink_mr1.scoring.format import format_followed
from othink_mr1.scoring.task_scorers import known_scorers, load_scorer


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
        ("<answer> 7 <answer> 8 </answer>", "8", True),  # the first that holds nothing but digits
        ("<answer> 8 </answer><answer> 7 </answer>", "7", False),
        ("<answer> many </answer><answer> 7 </answer>", "7", True),
        ("<answer>" + "9" * 5000 + "</answer>", "7", False),  # int() refuses it
        ("", "7", False),
    ],
)
def test_counting(completion, gold, correct):
    assert counting.r1v_correct(completion, gold) is correct


def test_counting_refuses_a_gold_that_is_no_integer():
    with pytest.raises(UserError, match=r"gold '145°'"):
        counting.r1v_correct("<answer> 7 </answer>", "145°")


@pytest.mark.parametrize(
    ("completion", "gold", "correct"),
    [
        ("<think>180 - 40 = 140</think> <answer> 140° </answer>", "140°", True),
        ("<think>180 - 40</think> <answer> 140 </answer>", "140°", True),  # the degree sign is dropped
        ("<think>so</think> <answer> 70 </answer>", "140°", False),
        ("<answer> \\frac{12}{5} </answer>", "\\frac{12}{5}", True),
        ("<answer> 2.4 </answer>", "\\frac{12}{5}", True),
        ("<answer> 5cm </answer>", "5cm", True),
        ("It is 140", "140°", True),  # faults, as published: no answer tag needed,
        ("<think>it is 140</think><answer>80</answer>", "140°", True),  # unspaced answers are not seen,
        ("<answer> 8 </answer>", "8√{3}", True),  # roots
        ("<answer> 65 </answer>", "65π", True),  # and π are lost,
        ("<answer> √{3} </answer>", "√{3}", False),  # and some golds never parse
        ("", "140°", False),
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


def test_geometry_off_the_main_thread_is_an_error_not_a_zero():
    raised = []

    def score():
        try:
            geometry.r1v_correct("<answer> 5 </answer>", "5")
        except ValueError as error:
            raised.append(error)

    thread = threading.Thread(target=score)
    thread.start()
    thread.join()
    assert "thread" in str(raised[0])


def test_scorers_are_found_by_name():
    assert load_scorer("counting") is counting
    assert load_scorer("geometry") is geometry
    assert known_scorers() == ["counting", "geometry"]
    for name in ("sizes", "format", "scoring.counting", ""):  # `format` is a module here, but scores no task
        with pytest.raises(UserError, match="known are counting, geometry"):
            load_scorer(name)
