"""Which tokens attend to which in a packed row: causal sequences, and prompts shared by groups.

A row is [p1 c11 .. c1G p2 c21 ..]: each prompt, then its completions. A prompt with several completions is
one sequence, and each completion is another; the completions also see all of their prompt. A prompt with only
one completion forms a single causal sequence with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """Tokens start .. end - 1 of a row."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class SharedPrompt:
    """A prompt whose tokens all of a group's completions see."""

    prompt: Span
    completions: tuple[Span, ...]  # next to each other, directly after the prompt

    @property
    def group(self) -> Span:
        """The tokens of all completions."""
        return Span(self.prompt.end, self.completions[-1].end)


@dataclass(frozen=True)
class RowLayout:
    """The spans of a row's tokens; each token is in exactly one sequence."""

    tokens: int
    sequences: tuple[Span, ...]  # causal within themselves
    shared_prompts: tuple[SharedPrompt, ...]


def row_layout(groups: Sequence[tuple[int, Sequence[int]]]) -> RowLayout:
    """Lay out groups, each (length of the prompt, lengths of its completions), in order."""
    sequences: list[Span] = []
    shared_prompts = []
    start = 0
    for prompt_length, completion_lengths in groups:
        prompt = Span(start, start + prompt_length)
        start = prompt.end
        completions = []
        for length in completion_lengths:
            completions.append(Span(start, start + length))
            start += length
        if len(completions) > 1:
            sequences += [prompt, *completions]
            shared_prompts.append(SharedPrompt(prompt, tuple(completions)))
        else:
            sequences.append(Span(prompt.start, start))
    return RowLayout(start, tuple(sequences), tuple(shared_prompts))
