"""The exact scorer's possible outcomes for a completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Outcome = Literal["correct", "wrong", "no_answer_tag", "several_answers", "unparseable", "timeout"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)


@dataclass(frozen=True)
class Judgement:
    """A completion's outcome, and the reason in a few fixed words; a correct one has no reason."""

    outcome: Outcome
    reason: str = ""

    @property
    def correct(self) -> bool:
        return self.outcome == "correct"
