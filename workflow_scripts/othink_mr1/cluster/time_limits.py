"""Slurm's time limits: what the partitions allow, and what a job requests at each attempt."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from othink_mr1.cluster.facts import ClusterFacts
from othink_mr1.cluster.slurm import ask

_MINUTES_A_UNIT = (24 * 60, 60, 1, 1 / 60)


def growing_time(
    minutes: int, partition: str, facts: ClusterFacts, limits: Mapping[str, float]
) -> Callable[[Any, int], int]:
    """The time a job requests, in minutes: attempt × the configured time, up to its partition's limit.

    limits: partition -> minutes, `` for the cluster's default. Read when a job is submitted, as Slurm is
    asked only after the rules are parsed.
    """
    longest = math.inf if facts.longest_hours is None else facts.longest_hours * 60

    def runtime(wildcards: Any, attempt: int) -> int:
        # Never less than configured: a time that is too long is reported, not changed silently.
        limit = min(longest, *(limits.get(name, math.inf) for name in partition.split(",")))
        return max(minutes, math.floor(min(minutes * attempt, limit)))

    return runtime


def partition_limits() -> dict[str, float]:
    """Partition -> its limit in minutes, for those that have one; `` is the default partition."""
    limits = {}
    # --all: hidden partitions may be used too. %P marks the default one with an asterisk.
    for line in ask("sinfo", "--all", "--noheader", "--format=%P|%l").splitlines():
        partition, _, limit = line.partition("|")
        minutes = minutes_of(limit)
        if minutes is not None:
            limits[partition.rstrip("*")] = minutes
            if partition.endswith("*"):
                limits[""] = minutes
    return limits


def minutes_of(limit: str) -> float | None:
    """A time limit as Slurm writes it: `2-00:00:00`, `1:30:00`, `30:00`; None for `infinite`."""
    if not re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", limit):
        return None
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    # With days the first part is hours; without days the last part is seconds; a single number is minutes.
    units = _MINUTES_A_UNIT[1:] if days or len(parts) == 3 else _MINUTES_A_UNIT[2:]
    return int(days or 0) * _MINUTES_A_UNIT[0] + sum(p * u for p, u in zip(parts, units, strict=False))
