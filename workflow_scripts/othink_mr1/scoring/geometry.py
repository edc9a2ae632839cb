"""Geometry reasoning by R1-V's protocol.

Its faults are kept, for the paper's numbers were made with them: math-verify reads the *whole*
completion, so a number in the reasoning can stand for a missing answer, `<answer>80</answer>` without
spaces inside is not seen as a number, and golds such as `8√{3}` or `65π` lose their root or π.
"""

from __future__ import annotations

from othink_mr1.scoring.r1v_accuracy import accuracy_reward, verified


def r1v_correct(completion: str, gold: str) -> bool:
    """Whether math-verify reads the gold's value from the whole completion.

    As R1-V's src/eval/test_qwen2vl_geoqa_multigpu.py. A gold that math-verify cannot read counts every
    completion as wrong. Main thread only, see r1v_accuracy.
    """
    return verified(completion, gold)


def r1v_reward(completion: str, gold: str) -> float:
    """The accuracy reward of training, 0 or 1."""
    return accuracy_reward(completion, gold)
