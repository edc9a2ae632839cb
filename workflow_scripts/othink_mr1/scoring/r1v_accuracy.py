"""R1-V's use of math-verify: the accuracy reward of training, and geometry's evaluation.

math-verify's own time limit is off here: it is 5 s per parse and per comparison, by SIGALRM, which works only
in a main thread. A hostile text (`9**9**9**9`) takes that long and up to 600 MB, so these functions must run
in the worker processes of workers.py, which have their own limits. What exceeds them counts as wrong.

sympy and math_verify are imported at first use: they take half a second and 50 MB.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_ANSWER = re.compile(r"<answer>(.*?)</answer>")  # on one line: R1-V does not pass DOTALL here
_WHOLE_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,99})", re.ASCII)


@lru_cache(maxsize=1)
def load_math_verify() -> Any:
    """The math_verify module, with a faster conversion of integers.

    It converts digits by sympy's Number, which parses them like a formula, after importing all of sympy's
    names: 0.4 of the 0.6 ms per completion. Ours gives the same number.
    """
    import math_verify.parser
    import sympy  # type: ignore[import-untyped]

    def number(text: str) -> Any:
        return sympy.Integer(int(text)) if _WHOLE_NUMBER.fullmatch(text) else sympy.Number(text)

    math_verify.parser.Number = number
    return math_verify


@lru_cache(maxsize=4096)
def _parsed_gold(gold: str) -> list[Any]:
    """What math-verify reads in the gold; cached, as all completions of a group have the same gold."""
    return load_math_verify().parse(gold, parsing_timeout=0)


def verified(completion: str, gold: str) -> bool:
    """Whether math-verify reads the same value from the whole completion as from the gold.

    As in R1-V, the completion is passed as math-verify's gold, and the gold as its prediction; verify is not
    symmetric (assignments, intervals).
    """
    math_verify = load_math_verify()
    try:  # 0: no time limit; releases before 0.9 reject None
        parsed = math_verify.parse(completion, parsing_timeout=0)
        return bool(math_verify.verify(parsed, _parsed_gold(gold), timeout_seconds=0))
    except MemoryError:  # the worker's limit
        raise
    except Exception:  # as in R1-V: a text that makes sympy fail gets 0
        return False


def accuracy_reward(completion: str, gold: str) -> float:
    """The accuracy reward R_acc of every task: 1.0 or 0.0.

    As accuracy_reward in R1-V's src/r1-v/src/open_r1/grpo.py: math-verify on the whole completion
    against the solution `<answer> gold </answer>`, else the first <answer> texts, stripped, must be the
    same string (the whole completion if it has no answer). Here, strings are compared first: either
    check suffices, and this one is 1000 times cheaper.
    """
    found = _ANSWER.search(completion)
    answer = found.group(1) if found else completion
    if answer.strip() == gold.strip():
        return 1.0
    return 1.0 if verified(completion, f"<answer> {gold} </answer>") else 0.0
