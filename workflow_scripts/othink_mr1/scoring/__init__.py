"""Scoring: format, one module per task, and the table of scores.

A task's scorer is the module `othink_mr1.scoring.<scorer>` with two functions:

    r1v_correct(completion: str, gold: str) -> bool    the published evaluation protocol
    r1v_reward(completion: str, gold: str) -> float    the accuracy reward of training, 0 or 1

`r1v` is R1-V's protocol (github.com/Deep-Agent/R1-V), which the paper follows, reproduced with its
faults: numbers made with it compare with the paper's. Nothing else has to be touched for a new task.
"""
