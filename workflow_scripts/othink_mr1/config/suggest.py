"""Suggestions for an unknown name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_FEW = 12  # up to this many known names are listed, even when one is close


def unknown_name(what: str, name: object, known: Iterable[str]) -> str:
    """`unknown method 'gpro'; did you mean grpo? known: base, grpo, sft`"""
    names = sorted(known)
    near = get_close_matches(str(name), names, n=1, cutoff=0.6)
    if near and len(names) > _FEW:
        return f"unknown {what} {name!r}; did you mean {near[0]}?"
    hint = f"did you mean {near[0]}? " if near else ""
    return f"unknown {what} {name!r}; {hint}known: {', '.join(names) or 'none'}"
