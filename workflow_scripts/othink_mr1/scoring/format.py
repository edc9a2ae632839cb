"""Whether a completion follows the format: the paper's R_format and the format accuracy of figure 4."""

from __future__ import annotations

import re

_BETWEEN = re.compile(r"</think>\s*<answer>")


def format_followed(completion: str) -> bool:
    """Whether the completion as a whole is `<think>…</think>`, white space, `<answer>…</answer>`.

    As format_reward in R1-V's src/r1-v/src/open_r1/grpo.py, whose pattern is
    `<think>.*?</think>\\s*<answer>.*?</answer>`, matched as a whole with dots for line ends too. White
    space before or after fails; tags that repeat inside a section pass. The pattern itself takes quadratic
    time on a text of many tags; this one pass says the same: the first border between the sections is as
    good as any.
    """
    start, end = "<think>", "</answer>"
    if not (completion.startswith(start) and completion.endswith(end)):
        return False
    return _BETWEEN.search(completion, len(start), len(completion) - len(end)) is not None
