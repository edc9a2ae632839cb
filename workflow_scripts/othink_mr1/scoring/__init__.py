"""Scoring: format, one module per task, and the table of scores.

A task's scorer is the module `othink_mr1.scoring.<scorer>` with four functions:

    r1v_correct(completion: str, gold: str) -> bool           the published evaluation protocol
    r1v_reward(completion: str, gold: str) -> float           the published accuracy reward, 0 or 1
    exact_outcome(completion: str, gold: str) -> Judgement    the right verdict: one named outcome, and why
    exact_reward(completion: str, gold: str) -> float         the accuracy reward by it, 0 or 1

`r1v` is R1-V's protocol (github.com/Deep-Agent/R1-V), which the paper follows. We keep its bugs so that
numbers are comparable with the paper's. `exact` (exact.py) reads only the answer tag and compares by value.
A new task needs no other change. All four functions run in worker processes (workers.py), as a completion is
a model's text and can be anything.
"""
