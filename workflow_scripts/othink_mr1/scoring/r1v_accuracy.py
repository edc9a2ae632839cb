"""R1-V's use of math-verify: the accuracy reward of training, and geometry's evaluation.

math-verify bounds each parse and each comparison to 5 s, by SIGALRM: a hostile text (`9**9**9**9`)
costs that long and up to 600 MB, and off the main thread both functions raise ValueError. Call them
from the main thread.

sympy and math_verify are imported at first use: they take half a second and 50 MB.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_ANSWER = re.compile(r"<answer>(.*?)</answer>")  # on one line: R1-V does not pass DOTALL here


@lru_cache(maxsize=4096)
def _parsed_gold(gold: str) -> list[Any]:
    """The gold's math-verify readings: every completion of a group is compared with the same gold."""
    from math_verify import parse

    return parse(gold)


def verified(completion: str, gold: str) -> bool:
    """Whether math-verify reads the same value from the whole completion as from the gold.

    The completion stands where math-verify wants the gold, and the gold where it wants the prediction,
    as in R1-V; verify is not symmetric (assignments, intervals).
    """
    from math_verify import parse, verify

    return verify(parse(completion), _parsed_gold(gold))


def accuracy_reward(completion: str, gold: str) -> float:
    """The accuracy reward R_acc of every task: 1.0 or 0.0.

    As accuracy_reward in R1-V's src/r1-v/src/open_r1/grpo.py: math-verify on the whole completion
    against the solution `<answer> gold </answer>`, else the first <answer> texts, stripped, must be the
    same string (the whole completion when it has no answer). Strings are compared first here: either
    check suffices, and this one is 1000 times cheaper.
    """
    found = _ANSWER.search(completion)
    answer = found.group(1) if found else completion
    if answer.strip() == gold.strip():
        return 1.0
    return 1.0 if verified(completion, f"<answer> {gold} </answer>") else 0.0
