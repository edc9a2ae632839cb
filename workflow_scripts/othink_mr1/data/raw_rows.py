"""One row as a raw set has it, before anything is checked."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RawRow:
    """where: file and row, for messages; absent values are None.

    Bytes that are no UTF-8 stand in the texts as lone surrogates (python's `surrogateescape`).
    """

    where: str
    image: bytes | None
    question: str | None
    solution: str | None
    thinking: str | None
