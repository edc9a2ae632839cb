"""A comparison of methods as Markdown: a table per training task, and what the numbers of seeds can find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from othink_mr1.exhibits.accuracy_intervals import SEEDS_FOR_A_SPREAD
from othink_mr1.exhibits.captions import ITEMS_ALONE
from othink_mr1.exhibits.labels import method_label, task_label
from othink_mr1.exhibits.plans import Compared, ComparisonPlan
from othink_mr1.exhibits.text import markdown_table, markdown_text

HEADS = ("method", "setting chosen", "tested on", "accuracy", "difference", "p, Holm", "best", "KL")
_TEXTS = 3  # columns of text; the others are numbers
_ABSENT = "–"


@dataclass(frozen=True)
class TaskTable:
    """What was trained on one task: rows of HEADS as plain text; lines about numbers of seeds."""

    trained_on: str
    backbone: str
    rows: list[list[str]]
    lines: list[str]


def task_tables(plan: Compared, frame: pd.DataFrame, seeds: pd.DataFrame) -> list[TaskTable]:
    """One per training task. frame, seeds: of frames.COMPARISON_COLUMNS and SEEDS_COLUMNS."""
    found = []
    trained = frame[frame.trained_on != ""]
    for (backbone, task), rows in trained.groupby(["backbone", "trained_on"], sort=False):
        untrained = frame[(frame.trained_on == "") & (frame.backbone == backbone)]
        cells = [_cells(row) for row in [*untrained.to_dict("records"), *rows.to_dict("records")]]
        of = seeds[(seeds.trained_on == task) & (seeds.backbone == backbone)]
        own = task_label(plan.tasks[str(task)].own)
        found.append(TaskTable(own, str(backbone), cells, _seeds_lines(of)))
    return found


def comparison_table(plan: ComparisonPlan, frame: pd.DataFrame, seeds: pd.DataFrame) -> str:
    """All of it as Markdown."""
    blocks = [[f"# {plan.study.exhibit}: methods compared"]]
    for table in task_tables(plan, frame, seeds):
        cells = [[*map(markdown_text, row[:2]), *row[2:]] for row in table.rows]
        blocks += [
            [f"## Trained on {table.trained_on}, {table.backbone}"],
            markdown_table(list(HEADS), cells, right=len(HEADS) - _TEXTS),
            [f"- {line}" for line in table.lines],
        ]
    blocks.append([f"{line}  " for line in notes(plan, frame)])
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def notes(plan: Compared, frame: pd.DataFrame) -> list[str]:
    """What the columns mean."""
    seeds, covered = seeds_and_spread(frame)
    return [
        f"Accuracies in percent by the published scorer, means over {seeds}; brackets: 95 % intervals of "
        f"{covered}.",
        f"Difference: in points from {plan.baseline}, on the same items. p, Holm: corrected for all "
        "comparisons here.",
        "Best: the chance to be the best of the methods trained on the task, had other "
        f"{'items' if seeds == '1 seed' else 'seeds and items'} been drawn.",
        "KL: to the reference, in nats, in the last tenth of the updates.",
        f"Setting: of as many candidates per method{if_it_has_some(frame)}, the best one on validation "
        "items, with seeds that the comparison does not use.",
        *(note for note in dict.fromkeys(frame.note) if note),
    ]


def seeds_and_spread(frame: pd.DataFrame) -> tuple[str, str]:
    """In words: over how many seeds the means are, and what the intervals cover."""
    numbers = sorted(set(frame.seeds[frame.trained_on != ""].astype(int)))
    seeds = f"{', '.join(map(str, numbers))} {'seed' if numbers == [1] else 'seeds'}"
    return seeds, "items and seeds" if min(numbers) >= SEEDS_FOR_A_SPREAD else ITEMS_ALONE


def if_it_has_some(frame: pd.DataFrame) -> str:
    """What to say of a method's candidate settings if there are methods without any."""
    return ", if it has some" if (frame.candidates == 1).any() else ""


def _seeds_lines(seeds: pd.DataFrame) -> list[str]:
    """In words: what numbers of seeds find, and what the paper's difference would have needed."""
    lines = []
    for tested, rows in seeds.groupby("tested_on", sort=False):
        found = dict(zip(rows.seeds.astype(int), rows.detectable_difference, strict=True))
        said = ", ".join(f"{number} seeds {_points(found[number])}" for number in (3, 10, 30, 100))
        lines.append(f"On {task_label(str(tested))}, points found with 80 % power: {said}.")
        row = rows.iloc[0]
        if not pd.isna(row.paper_difference):
            lines.append(_paper_line(row))
    return lines


def _points(found: float) -> str:
    return "not even 100" if pd.isna(found) else f"{100 * found:.1f}"


def _paper_line(row: Any) -> str:
    items = int(row.paper_items)
    claim = f"The paper's GRPO-D − GRPO is {100 * row.paper_difference:+.1f} points on {items} items"
    if pd.isna(row.paper_seeds_needed):
        return (
            f"{claim}: with seeds that spread as here, no number of them would find it on so few items "
            f"(the smallest: {100 * row.paper_smallest:.1f})."
        )
    return f"{claim}: with seeds that spread as here, {int(row.paper_seeds_needed)} per method would find it."


def _cells(row: Mapping[Any, Any]) -> list[str]:
    p = row["p_holm"]
    return [
        method_label(row["method"]),
        row["setting"] or _ABSENT,
        task_label(row["tested_on"]),
        f"{100 * row['r1v_accuracy']:.1f} [{100 * row['r1v_low']:.1f}–{100 * row['r1v_high']:.1f}]",
        _ABSENT
        if pd.isna(row["difference"])
        else f"{100 * row['difference']:+.1f} [{100 * row['difference_low']:+.1f}, "
        f"{100 * row['difference_high']:+.1f}]",
        _ABSENT if pd.isna(p) else f"{p:.2g}" if p >= 0.001 else "< 0.001",
        _ABSENT if pd.isna(row["chance_of_best"]) else f"{row['chance_of_best']:.0%}",
        _ABSENT if pd.isna(row["kl"]) else f"{row['kl']:.3f}",
    ]
