"""Patterns of names: each matches its members and none of the other names, and is short."""

from __future__ import annotations

import random
import re

import pytest

from othink_mr1.study.name_patterns import NOTHING, pattern


def names(count: int, form: str, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [form.format(number=number, digest=f"{draw.getrandbits(40):010x}") for number in range(count)]


SWEEP = "geometry-grpo-alpha{number}.5-beta1e-05-s1-{digest}"


@pytest.mark.parametrize(
    ("members", "others"),
    [
        (names(50, SWEEP, 1), names(50, "geometry-sft-s{number}-{digest}", 2)),
        (names(50, SWEEP, 1), names(500, SWEEP, 2)),
        (names(50, SWEEP, 1), names(50, SWEEP + "-step100", 1)),
        (names(50, SWEEP + "-step100", 1), names(50, SWEEP + "-step100", 2)),
        (
            names(5, SWEEP, 1) + names(5, SWEEP + "-step7", 1),
            names(5, SWEEP, 3) + names(5, SWEEP + "-step8", 1),
        ),
        (names(1, "base-{digest}", 1), names(1, "base-{digest}", 2)),
        (names(3, SWEEP, 1), []),
        (names(5, SWEEP, 1), names(5, "geometry-grpo-2-alpha{number}.5-beta1e-05-s1-{digest}", 1)),
        (["geometry-grpo-2-s1-0123456789"], ["geometry-grpo-3-s1-0123456789"]),
        (["a-s1-0123456789"], ["a-s1-0123456788", "a-s1-1123456789"]),
    ],
)
def test_members_and_no_others(members: list[str], others: list[str]) -> None:
    found = re.compile(pattern(members, others))
    assert all(found.fullmatch(name) for name in members)
    assert not any(found.fullmatch(name) for name in others)


def test_it_stays_short() -> None:
    assert len(pattern(names(5000, SWEEP, 1), names(500, "geometry-sft-s{number}-{digest}", 2))) < 200
    assert len(pattern(names(5000, SWEEP, 1), names(500, SWEEP, 2))) < 10_000


def test_of_no_names_it_matches_nothing() -> None:
    assert pattern([]) == NOTHING
    assert not re.fullmatch(NOTHING, "")
