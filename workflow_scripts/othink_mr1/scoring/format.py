"""Whether a completion follows the format: the paper's R_format and the format accuracy of figure 4."""

from __future__ import annotations

import re

_BETWEEN = re.compile(r"</think>\s*<answer>")


def format_followed(completion: str) -> bool:
    """Whether the completion as a whole is `<think>…</think>`, white space, `<answer>…</answer>`.

    As format_reward in R1-V's src/r1-v/src/open_r1/grpo.py, whose pattern is
    `<think>.*?</think>\\s*<answer>.*?</answer>`, a full match in which dots match line ends too. White space
    before or after is an error; repeated tags inside a section are not. The pattern itself takes quadratic
    time on a text of many tags. This single pass gives the same result, as the first border between the
    sections is as good as any other.
    """
    start, end = "<think>", "</answer>"
    if not (completion.startswith(start) and completion.endswith(end)):
        return False
    return _BETWEEN.search(completion, len(start), len(completion) - len(end)) is not None
