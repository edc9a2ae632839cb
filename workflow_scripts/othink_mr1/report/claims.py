"""The claims: verdicts, ours beside the paper's, and where both lie on the axis of the forest plot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from othink_mr1.exhibits.verdicts import (
    CONTRADICTED,
    NOT_MEASURED,
    REPRODUCED,
    SAME_SIZE,
    SIMILAR_MARGIN,
    UNDECIDED,
)
from othink_mr1.report.inputs import Inputs

# Verdict -> its class in the page, its sign, and what it means.
VERDICTS = {
    SAME_SIZE: ("same-size", "✓", "our interval is on the claim's side, and holds the paper's value"),
    REPRODUCED: (
        "direction",
        "↗",
        "our interval is on the claim's side; another size, or the paper prints none",
    ),
    UNDECIDED: ("undecided", "↔", "our interval allows both"),
    CONTRADICTED: ("contradicted", "✕", "our interval is on the other side"),
    NOT_MEASURED: ("not-measured", "–", "its runs are not there"),
}
GROUPS = {
    "same task": "Trained and tested on the same task",
    "cross-task": "Trained on one task, tested on another",
    "weights": "Weights of the format reward and of the KL term",
}
WIDTH, MIDDLE, REACH = 220, 110, 100  # of the plot, its zero, and its half axis, in its own units


@dataclass(frozen=True)
class Effect:
    """A difference in points with its interval, and their places on the axis. None where unknown."""

    value: float
    low: float | None
    high: float | None
    x: float
    x_low: float | None
    x_high: float | None

    @property
    def open(self) -> bool:
        """Whether the interval leaves the sign open."""
        return self.low is not None and self.high is not None and self.low <= 0 <= self.high


@dataclass(frozen=True)
class ClaimRow:
    """A row of the plot. shade: where the claim says that the effect lies, from and width on the axis."""

    name: str
    statement: str
    where: str
    verdict: str
    setting: str
    shade: tuple[float, float] | None
    ours: Effect | None
    paper: Effect | None
    share: str  # of a claim about a single share: ours and its interval, else ""
    paper_share: str
    interval: str  # level of our interval, and what it is of


@dataclass(frozen=True)
class Claims:
    """reach: what the end of the axis is, in points."""

    groups: list[tuple[str, list[ClaimRow]]]
    counts: dict[str, int]
    reach: float


def claims(inputs: Inputs) -> Claims | None:
    """The claims of the plan's backbone; None if claims.csv is not there."""
    frame = inputs.table("claims.csv")
    if frame is None:
        return None
    rows = [_numbers(row) for row in inputs.own(frame).to_dict("records")]
    ends = [
        abs(number)
        for row in rows
        for name in ("difference", "paper_difference")
        for number in (row[name], row[f"{name}_low"], row[f"{name}_high"])
        if isinstance(number, float)
    ]
    reach = 100 * max([*ends, 0.1])
    groups = [
        (title, [_row(row, reach) for row in rows if row["group"] == name]) for name, title in GROUPS.items()
    ]
    found = Counter(str(row["verdict"]) for row in rows)
    counts = {verdict: found[verdict] for verdict in VERDICTS}
    return Claims([(title, listed) for title, listed in groups if listed], counts, reach)


def _numbers(row: Mapping[Any, str]) -> dict[str, str | float | None]:
    """The row with its numbers as such; None for an empty cell of one."""
    texts = {"backbone", "setting", "claim", "group", "short", "statement", "where", "rule", "verdict"}
    texts |= {"counts", "paper_counts", "spread", "note"}
    return {key: value if key in texts else (float(value) if value else None) for key, value in row.items()}


def _row(row: dict[str, str | float | None], reach: float) -> ClaimRow:
    rule = str(row["rule"])
    is_share = rule == "share"
    return ClaimRow(
        name=str(row["claim"]),
        statement=str(row["short"]),
        where=str(row["where"]),
        verdict=str(row["verdict"]),
        setting=str(row["setting"]),
        shade=None if is_share else _shade(rule, reach),
        ours=None if is_share else _effect(row, "difference", reach),
        paper=None if is_share else _effect(row, "paper_difference", reach),
        share=_share(row, "value") if is_share else "",
        paper_share=_share(row, "paper_value") if is_share else _gain(row),
        interval=_interval(row),
    )


def _effect(row: dict[str, str | float | None], name: str, reach: float) -> Effect | None:
    numbers = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
    value, low, high = (100 * number if isinstance(number, float) else None for number in numbers)
    if value is None:
        return None
    places = [None if number is None else _x(number, reach) for number in (value, low, high)]
    assert places[0] is not None
    return Effect(value, low, high, places[0], places[1], places[2])


def _x(points: float, reach: float) -> float:
    return round(MIDDLE + REACH * points / reach, 1)


def _shade(rule: str, reach: float) -> tuple[float, float]:
    if rule == "similar":
        margin = min(REACH, REACH * 100 * SIMILAR_MARGIN / reach)
        return round(MIDDLE - margin, 1), round(2 * margin, 1)
    return (MIDDLE - REACH, REACH) if rule == "lower" else (MIDDLE, REACH)


def _share(row: dict[str, str | float | None], name: str) -> str:
    value = row[name]
    if not isinstance(value, float):
        return ""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    ends = (
        f" [{100 * low:.1f}, {100 * high:.1f}]" if isinstance(low, float) and isinstance(high, float) else ""
    )
    return f"{100 * value:.1f} %{ends}"


def _interval(row: dict[str, str | float | None]) -> str:
    level = row["confidence"]
    return f"{100 * level:.3g} %, of {row['spread']}" if isinstance(level, float) else ""


def _gain(row: dict[str, str | float | None]) -> str:
    """The paper's relative gain, where it prints only that."""
    gain = row["paper_relative_gain"]
    return f"gain {100 * gain:+.1f} %" if isinstance(gain, float) and row["paper_difference"] is None else ""


def axis_ticks(reach: float) -> list[tuple[float, str]]:
    """Places and labels of about five ticks."""
    step = next(step for step in (1, 2, 5, 10, 20, 25, 50, 100) if reach / step <= 3.5)
    values = [step * number for number in range(-int(reach // step), int(reach // step) + 1)]
    return [(_x(value, reach), f"{value:+d}".replace("-", "−") if value else "0") for value in values]
