"""Whether a completion follows the format: the paper's R_format and the format accuracy of figure 4."""

from __future__ import annotations

import re

_FORMAT = re.compile(r"<think>.*?</think>\s*<answer>.*?</answer>", re.DOTALL)


def format_followed(completion: str) -> bool:
    """Whether the completion as a whole is `<think>…</think>`, white space, `<answer>…</answer>`.

    As format_reward in R1-V's src/r1-v/src/open_r1/grpo.py. The whole completion must match, so white
    space before or after it fails; tags that repeat inside a section pass, as they do there.
    """
    return _FORMAT.fullmatch(completion) is not None
