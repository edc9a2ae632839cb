"""Geometry reasoning: R1-V's protocol, and the exact one.

We keep R1-V's bugs so that numbers are comparable with the paper's. math-verify reads the *whole*
completion, so a number in the reasoning can count as a missing answer; `<answer>80</answer>` without
spaces inside is not recognised as a number; golds such as `8√{3}` or `65π` lose their root or π.
"""

from __future__ import annotations

from othink_mr1.scoring.exact import exact_outcome as judged
from othink_mr1.scoring.exact import value_outcome
from othink_mr1.scoring.outcomes import Judgement
from othink_mr1.scoring.r1v_accuracy import accuracy_reward, verified


def r1v_correct(completion: str, gold: str) -> bool:
    """Whether math-verify reads the gold's value from the whole completion.

    As in R1-V's src/eval/test_qwen2vl_geoqa.py and its multi-GPU version. If math-verify cannot read the
    gold, every completion is wrong.
    """
    return verified(completion, gold)


def r1v_reward(completion: str, gold: str) -> float:
    """The accuracy reward of training, 0 or 1."""
    return accuracy_reward(completion, gold)


def exact_outcome(completion: str, gold: str) -> Judgement:
    """Judge the answer tag by value."""
    return judged(completion, gold, value_outcome)


def exact_reward(completion: str, gold: str) -> float:
    """The accuracy reward of training on exact verdicts, 0 or 1."""
    return float(exact_outcome(completion, gold).correct)
