"""Visual counting: R1-V's protocol, and the exact one."""

from __future__ import annotations

import re

from othink_mr1.scoring.exact import count_outcome, integer_gold
from othink_mr1.scoring.exact import exact_outcome as judged
from othink_mr1.scoring.outcomes import Judgement
from othink_mr1.scoring.r1v_accuracy import accuracy_reward

_COUNT = re.compile(r"<answer>\s*(\d+)\s*</answer>")


def r1v_correct(completion: str, gold: str) -> bool:
    """Whether the first `<answer>` that contains only digits is the gold's integer.

    As in R1-V's src/eval/test_qwen2vl_counting_superclevr.py. gold: an integer, else UserError.
    """
    count = integer_gold(gold)
    found = _COUNT.search(completion)
    if found is None:
        return False
    try:
        return int(found.group(1)) == count
    except ValueError:  # more than 4300 digits, which int() refuses: no gold is that long
        return False


def r1v_reward(completion: str, gold: str) -> float:
    """The accuracy reward of training, 0 or 1: R1-V trains counting with the reward of all tasks.

    It is laxer than r1v_correct: a last number in the text is accepted if the answer contains none.
    """
    return accuracy_reward(completion, gold)


def exact_outcome(completion: str, gold: str) -> Judgement:
    """Judge the answer tag: it must be an integer, in digits or English words, and nothing else."""
    return judged(completion, gold, count_outcome)


def exact_reward(completion: str, gold: str) -> float:
    """The accuracy reward of training on exact verdicts, 0 or 1."""
    return float(exact_outcome(completion, gold).correct)
