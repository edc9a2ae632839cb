"""The training curves of every run, also of runs that still train: at most MOST_POINTS points each."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

from othink_mr1.errors import UserError
from othink_mr1.exhibits.labels import method_label, task_label
from othink_mr1.exhibits.plans import RunEntry
from othink_mr1.plan.runs import varied_text
from othink_mr1.report.inputs import Inputs

MOST_POINTS = 400
# Column of metrics.csv -> its panel's title.
PANELS = {
    "accuracy_reward": "accuracy reward",
    "format_reward": "format reward",
    "zero_std_fraction": "groups without variance (share)",
    "kl": "KL to the reference (nats)",
    "kl_weight": "KL weight β applied",
    "completion_tokens": "completion length (tokens)",
    "loss": "loss",
    "gradient_norm": "gradient norm",
    "learning_rate": "learning rate",
}


def curves(inputs: Inputs) -> list[dict[str, Any]]:
    """A dict per run that has logged a step: name, label, method, task, seed, steps and a list per panel.

    UserError if its metrics are damaged.
    """
    found = []
    for entry in inputs.plan.runs:
        path = inputs.results / entry.folder / "metrics.csv"
        if entry.backbone == inputs.plan.backbone and path.exists():
            try:
                if rows := _rows(path):
                    found.append(_curve(entry, rows))
            except (csv.Error, ValueError, KeyError) as error:
                raise UserError(f"{path}: is damaged ({error}); train the run again") from None
    return found


def _rows(path: Path) -> list[dict[str, str]]:
    """All whole lines: the file may be growing, so it is not compared with a manifest."""
    whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
    return [row for row in csv.DictReader(whole.splitlines()) if None not in row.values()]


def _curve(entry: RunEntry, rows: list[dict[str, str]]) -> dict[str, Any]:
    size = math.ceil(len(rows) / MOST_POINTS)
    bins = [rows[start : start + size] for start in range(0, len(rows), size)]
    setting = varied_text(entry.varied)
    label = f"{method_label(entry.method)} on {task_label(entry.task)}, seed {entry.seed}"
    return {
        "run": entry.run,
        "label": f"{label}, {setting}" if setting else label,
        "method": entry.method,
        "task": entry.task,
        "seed": entry.seed,
        "step": [int(one[-1]["step"]) for one in bins],
        "values": {
            column: [_mean([row[column] for row in one]) for one in bins]
            for column in PANELS
            if column in rows[0]
        },
    }


def _mean(cells: list[str]) -> float | None:
    """The mean with four significant digits; None where nothing was logged or a number is none."""
    try:
        numbers = [float(cell) for cell in cells if cell]
    except ValueError:
        return None
    mean = sum(numbers) / len(numbers) if numbers else math.nan
    return float(f"{mean:.4g}") if math.isfinite(mean) else None
