"""Scoring: format, one module per task, and the table of scores.

A task's scorer is the module `othink_mr1.scoring.<scorer>` with four functions:

    r1v_correct(completion: str, gold: str) -> bool           the published evaluation protocol
    r1v_reward(completion: str, gold: str) -> float           the published accuracy reward, 0 or 1
    exact_outcome(completion: str, gold: str) -> Judgement    the right verdict: one named outcome, and why
    exact_reward(completion: str, gold: str) -> float         the accuracy reward by it, 0 or 1

`r1v` is R1-V's protocol (github.com/Deep-Agent/R1-V), which the paper follows, reproduced with its
faults: numbers made with it compare with the paper's. `exact` (exact.py) looks at the answer tag alone and
compares by value. Nothing else has to be touched for a new task. All four run in worker processes
(workers.py): a completion is a model's text and can be anything.
"""
