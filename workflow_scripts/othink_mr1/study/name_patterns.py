"""Short regular expressions that tell the names of a study's runs and checkpoints apart.

Snakemake puts a wildcard's constraint into every path that it fills in, so that with a list of all names the
time of planning grows with the square of their number. A pattern here matches its members and none of the
study's other names; it may match names that the study has not, which the rules' input functions refuse.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from othink_mr1.study.identity import DIGEST_LENGTH

_NAME = re.compile(rf"(?P<told>.*)-(?P<digest>[0-9a-f]{{{DIGEST_LENGTH}}})(?P<step>-step\d+)?")
_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")
_ANY_NUMBER = r"\d[\d.e+-]*"
NOTHING = "(?!)"


def pattern(members: Iterable[str], others: Iterable[str] = ()) -> str:
    """A pattern for names that end with a digest and perhaps a step. others: names that it must not match."""
    ours, theirs = _by_step(members), _by_step(others)
    parts = [_pattern(names, theirs.get(step, {})) + step for step, names in sorted(ours.items())]
    return "|".join(parts) or NOTHING


def _by_step(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Step part -> digest -> what the name tells before it."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        match = _NAME.fullmatch(name)
        assert match, name
        found.setdefault(match["step"] or "", {})[match["digest"]] = match["told"]
    return found


def _pattern(members: dict[str, str], others: dict[str, str]) -> str:
    """By the forms of the names if these tell them apart, else by the digests' first digits."""
    any_digest = f"[0-9a-f]{{{DIGEST_LENGTH}}}"
    forms = {_form(told) for told in members.values()}
    if not forms & {_form(told) for told in others.values()}:
        return f"(?:{'|'.join(sorted(forms))})-{any_digest}"
    return f"[^/]+-{_prefixes(members, others)}[0-9a-f]*"


def _form(told: str) -> str:
    """`geometry-grpo-alpha0.5-s1` -> a pattern with any number in the place of each."""
    return _ANY_NUMBER.join(re.escape(part) for part in re.split(_NUMBER.pattern.replace("(", "(?:"), told))


def _prefixes(members: Collection[str], others: Collection[str]) -> str:
    """A pattern for the first digits of digests: as few as no other digest has, common ones written once."""
    if not others:
        return ""
    tails: dict[str, list[str]] = {}
    for digest in sorted(members):
        tails.setdefault(digest[0], []).append(digest[1:])
    digits: dict[str, str] = {}  # what follows -> the digits that it follows
    for digit, rest in tails.items():
        after = _prefixes(rest, [other[1:] for other in others if other[0] == digit])
        digits[after] = digits.get(after, "") + digit
    parts = [(f"[{found}]" if len(found) > 1 else found) + after for after, found in digits.items()]
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"
