"""Short regular expressions that tell the names of a study's runs and checkpoints apart.

Snakemake puts a wildcard's constraint into every path that it fills in, so that with a list of all names the
time of planning grows with the square of their number. A pattern here matches its members and none of the
study's other names; it may match names that the study has not, which the rules' input functions refuse.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from othink_mr1.plan.identity import DIGEST_LENGTH

_NAME = re.compile(rf"(?P<told>.*)-(?P<digest>[0-9a-f]{{{DIGEST_LENGTH}}})(?P<step>-step\d+)?")
_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")
_ANY_NUMBER = r"\d[\d.e+-]*"
NOTHING = "(?!)"


def pattern(members: Iterable[str], others: Iterable[str] = ()) -> str:
    """A pattern for names that end with a digest and perhaps a step. others: names that it must not match."""
    ours, theirs = _by_form(members), _by_form(others)
    parts = [_pattern(form, names, theirs.get(form, [])) for form, names in sorted(ours.items())]
    return "|".join(parts) or NOTHING


def _by_form(names: Iterable[str]) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Form and step part of names -> what each tells before its digest, and the digest."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name in names:
        match = _NAME.fullmatch(name)
        assert match, name
        form = _form(match["told"]), match["step"] or ""
        found.setdefault(form, []).append((match["told"], match["digest"]))
    return found


def _pattern(
    form: tuple[str, str], members: Sequence[tuple[str, str]], others: Sequence[tuple[str, str]]
) -> str:
    """By the form alone if no other name has it, else by the digests' first digits."""
    told, step = form
    if not others:
        return f"{told}-[0-9a-f]{{{DIGEST_LENGTH}}}{step}"
    theirs = {digest for _, digest in others}
    # Two methods with the same settings have the same digests.
    whole = [f"{re.escape(name)}-{digest}{step}" for name, digest in members if digest in theirs]
    digests = {digest for _, digest in members if digest not in theirs}
    short = [f"{told}-{_prefixes(digests, theirs)}[0-9a-f]*{step}"] if digests else []
    return "|".join([*short, *whole])


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
