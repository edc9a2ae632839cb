"""Interleaved rounds: every system once per round, in rotating order; a slow moment hits all alike."""

from __future__ import annotations

import gc
import math
import sys
import time
from collections.abc import Callable, Mapping

import pandas as pd

from benchmarks.speed.other_programs import others_seconds
from benchmarks.speed.phases import PhaseClock

# A step during which other programs took more of the cores than this is timed again, so many times in all.
MOST_OTHER_CORES = 0.15
ATTEMPTS = 4
LONGEST_REPEATED = 15.0  # seconds

# One step of a system, with a clock for its phases.
Step = Callable[[PhaseClock], object]


def interleaved(
    case: str, systems: Mapping[str, Step], rounds: int, enough_seconds: float = math.inf
) -> pd.DataFrame:
    """Warm every system up once, then time each `rounds` times; no new round after enough_seconds.

    A single round shows that a step runs, not how fast: it is not repeated, however busy the machine is.
    Returns one row per round and system: case, round, system, seconds, other_cores, and a column of seconds
    per phase. `rest` is what is in no phase.
    """
    names = list(systems)
    for name in names:
        systems[name](PhaseClock())
    records: list[dict[str, object]] = []
    began = time.perf_counter()
    for number in range(1, rounds + 1):
        if records and time.perf_counter() - began > enough_seconds:
            break
        start = number % len(names)
        for name in names[start:] + names[:start]:
            timed = _undisturbed(systems[name], ATTEMPTS if rounds > 1 else 1)
            records.append({"case": case, "round": number, "system": name} | timed)
    return pd.DataFrame(records)


def _undisturbed(step: Step, most_attempts: int) -> dict[str, float]:
    """Time a step, again if other programs were busy meanwhile; the least disturbed attempt counts.

    Threads that wait for each other at every small operation stand still together: a program that takes one
    of two cores makes a step not twice but ten times as slow. Which system it hits is chance.
    """
    attempts: list[dict[str, float]] = []
    for _ in range(most_attempts):
        gc.collect()
        clock = PhaseClock()
        others, started = others_seconds(), time.perf_counter()
        step(clock)
        seconds = time.perf_counter() - started
        values = {"seconds": seconds, "other_cores": max(0.0, others_seconds() - others) / seconds}
        values |= {f"{phase}_seconds": value for phase, value in clock.seconds.items()}
        values["rest_seconds"] = seconds - sum(clock.seconds.values())
        attempts.append(values)
        if values["other_cores"] <= MOST_OTHER_CORES or seconds > LONGEST_REPEATED:
            break
    return min(attempts, key=lambda values: values["other_cores"])


def summary(rounds: pd.DataFrame, floors: Mapping[str, int], peak: float) -> pd.DataFrame:
    """One row per case and system.

    Columns: minimum, median and maximum of the seconds; medians of the phases; two ratios to ours, of the
    medians and the median of each round's ratio; the floor in operations, the seconds it takes at the
    sgemm peak, and its share of the median: how near the step is to the speed of its arithmetic.
    floors: operations by case. peak: operations per second.
    """
    rows: list[dict[str, object]] = []
    phases = phase_columns(rounds)
    for case, of_case in rounds.groupby("case", sort=False):
        by_round = of_case.pivot(index="round", columns="system", values="seconds")
        ours = by_round["ours"]
        # Rotation has shuffled the systems; ours comes first, then the others by name.
        for system in sorted(by_round.columns, key=lambda name: (name != "ours", name)):
            values = of_case[of_case["system"] == system]
            seconds = values["seconds"]
            floor = floors[str(case)]
            rows.append(
                {
                    "case": case,
                    "system": system,
                    "rounds": len(seconds),
                    "minimum_seconds": seconds.min(),
                    "median_seconds": seconds.median(),
                    "maximum_seconds": seconds.max(),
                    "ratio_of_medians": seconds.median() / ours.median(),
                    "median_of_ratios": (by_round[system] / ours).median(),
                    "largest_other_cores": values["other_cores"].max(),
                    **{column: values[column].median() for column in phases},
                    "floor_operations": floor,
                    "floor_seconds": floor / peak,
                    "share_of_peak": floor / peak / seconds.median(),
                }
            )
    return pd.DataFrame(rows)


def phase_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that hold a phase's seconds."""
    others = ("minimum", "median", "maximum", "floor")
    return [
        column for column in frame.columns if column.endswith("_seconds") and not column.startswith(others)
    ]


def tell(rows: pd.DataFrame) -> None:
    """Print a summary's rows."""
    columns = phase_columns(rows)
    for row in rows.to_dict("records"):
        phases = " ".join(
            f"{column.removesuffix('_seconds')} {row[column]:.3f}"
            for column in columns
            if not pd.isna(row[column])
        )
        print(
            f"{row['case']:>22} {row['system']:>16}  "
            f"{row['minimum_seconds']:.3f} / {row['median_seconds']:.3f} / {row['maximum_seconds']:.3f} s  "
            f"x{row['ratio_of_medians']:.2f} (x{row['median_of_ratios']:.2f})  "
            f"{row['share_of_peak']:.1%} of peak  [{phases}]",
            file=sys.stderr,
            flush=True,
        )
