"""Which text of a completion is its answer."""

from __future__ import annotations

import re

from othink_mr1.scoring.outcomes import Judgement

_TAG = re.compile(r"</?answer>")
_THINK = "<think>"
_THINK_END = "</think>"


def answer_text(completion: str) -> str | Judgement:
    """The text of the completion's answer, stripped; or why it has none: no_answer_tag, several_answers.

    - Thinking is not an answer: every <think>…</think> block, from an opening tag to the next closing one, is
      removed first. A <think> that is never closed and a </think> without an opening tag remove nothing.
    - Tags are exactly `<answer>` and `</answer>`.
    - An answer is the text from an `<answer>` to the next tag of either kind. If no `<answer>` is closed by
      `</answer>`, there is none (no_answer_tag).
    - Every other `<answer>`, nested or never closed, also counts if text follows it: different texts are
      several answers, the same text again is one. Empty answers count only if no other one is closed.
    - Text before, between and after the answers is ignored.
    """
    text = _without_thinking(completion)
    tags = list(_TAG.finditer(text))
    found: list[str] = []
    closed: list[str] = []
    for number, tag in enumerate(tags):
        if tag[0] == "<answer>":
            following = tags[number + 1] if number + 1 < len(tags) else None
            found.append(text[tag.end() : following.start() if following else len(text)].strip())
            if following and following[0] == "</answer>":
                closed.append(found[-1])
    if not closed:
        return Judgement("no_answer_tag", "not closed" if found else "no tag")
    different = set(filter(None, found))
    if len(different) > 1:
        return Judgement("several_answers", f"{len(different)} different answers")
    return "".join(different & set(closed))


def _without_thinking(completion: str) -> str:
    """In one pass: a regex of both tags would search for the end again from every opening tag."""
    parts: list[str] = []
    at = 0
    while (start := completion.find(_THINK, at)) >= 0:
        end = completion.find(_THINK_END, start)
        if end < 0:
            break
        parts.append(completion[at:start])
        at = end + len(_THINK_END)
    parts.append(completion[at:])
    return "".join(parts)
