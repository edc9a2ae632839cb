"""The csv files of runs, of their rewards and of leaks; the smoothing of reward curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.artefacts.verification import verify_file
from othink_mr1.config.settings import flat
from othink_mr1.data.leaks import COLUMNS, read_leaks
from othink_mr1.errors import UserError
from othink_mr1.exhibits.frames import REWARD_COLUMNS, read_csv
from othink_mr1.exhibits.plans import LeaksPlan, RunsPlan
from othink_mr1.plan.runs import varied_text

METRICS = "metrics.csv"
# Facts of a run's manifest that have their own columns; one that a manifest lacks is empty.
_FACTS = ("device", "wall_seconds", "gpu_hours", "made", "commit", "execution")
_FIRST = ("backbone", "run", "point", "method", "task", "seed")


def collect_runs(plan: RunsPlan, results: Path) -> pd.DataFrame:
    """One row per run: settings as flat columns, `final_<metric>` its last logged values.

    point: digest of the run's identity without the seed; varied: settings in which the runs of its method and
    task differ. commit: of the code that finished the run, with + if files differed from it. gpu_hours and
    wall_seconds are as measured by the trainer; execution's settings are `execution.<key>`.
    """
    rows = []
    for entry in plan.runs:
        folder = results / entry.folder
        manifest = read_manifest(folder)
        last = read_metrics(folder).iloc[-1]
        # Column groups in the order of this list; within a group, in the order of their first run.
        groups = [
            {name: getattr(entry, name) for name in _FIRST} | {"varied": varied_text(entry.varied)},
            _cells({name: manifest.get(name) for name in _FACTS}),
            _cells(entry.settings),
            {f"final_{name}": value for name, value in last.items()},
        ]
        rows.append(groups)
    if not rows:
        return pd.DataFrame(columns=list(_FIRST))
    return pd.concat([pd.DataFrame([row[group] for row in rows]) for group in range(len(rows[0]))], axis=1)


def _cells(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values by their paths; lists as text, separated by spaces."""
    return {
        path: " ".join(map(str, value)) if isinstance(value, list) else value
        for path, value in flat(values).items()
    }


def read_metrics(folder: Path) -> pd.DataFrame:
    """A run's metrics: one row per optimiser update. UserError if the run is incomplete or damaged."""
    read_manifest(folder)
    path = folder / METRICS
    verify_file(path)
    frame = read_csv(path, (), "train the run again")
    if "step" not in frame or frame.empty:
        raise UserError(f"{path}: has no steps; train the run again")
    return frame


def collect_reward_curves(plan: RunsPlan, results: Path) -> pd.DataFrame:
    """All metrics of all runs of the plan, REWARD_COLUMNS first. UserError if a run logged no rewards."""
    frames = [pd.DataFrame(columns=list(REWARD_COLUMNS))]
    for entry in plan.runs:
        metrics = read_metrics(results / entry.folder)
        for column in REWARD_COLUMNS[REWARD_COLUMNS.index("step") :]:
            if column not in metrics:
                raise UserError(
                    f"{results / entry.folder / METRICS}: has no column {column!r}; is it a run of GRPO?"
                )
        about = entry.model_dump(include=set(REWARD_COLUMNS) - set(metrics.columns))
        about["varied"] = varied_text(entry.varied)
        frames.append(metrics.assign(**about))
    frame = pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)
    return frame[[*REWARD_COLUMNS, *(column for column in frame if column not in REWARD_COLUMNS)]]


def smoothing_window(steps: int) -> int:
    """Updates averaged per point of a smoothed curve: a twentieth of the training, at least one."""
    return max(1, round(steps / 20))


def smoothed(values: pd.Series, window: int) -> pd.Series:
    """The mean of each value and the up to window - 1 before it: no look-ahead, no gap at the start."""
    return values.rolling(window, min_periods=1).mean()


def smoothed_share(values: pd.Series, window: int) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Values of 0 to 1, smoothed, and their 95 % interval by the spread of the averaged values."""
    mean, rolling = smoothed(values, window), values.rolling(window, min_periods=1)
    half = 1.96 * (rolling.std().fillna(0.0) / rolling.count() ** 0.5)
    return mean, (mean - half).clip(0, 1), (mean + half).clip(0, 1)


def collect_leaks(plan: LeaksPlan, results: Path) -> pd.DataFrame:
    """One row per leak, in the plan's order: the tasks of the two sets, then the columns of data/leaks.py."""
    rows: list[dict[str, Any]] = []
    for pair in plan.pairs:
        about = {"train_task": pair.train_task, "test_task": pair.test_task}
        rows += [about | asdict(leak) for leak in read_leaks(results / pair.leaks)]
    return pd.DataFrame(rows, columns=["train_task", "test_task", *COLUMNS])
