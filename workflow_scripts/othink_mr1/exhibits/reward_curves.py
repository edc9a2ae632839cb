"""The training metrics of GRPO's runs, one row per optimiser update, and their smoothing."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.artefacts.verification import verify_file
from othink_mr1.errors import UserError
from othink_mr1.exhibits.frames import REWARD_COLUMNS
from othink_mr1.exhibits.plans import RunsPlan
from othink_mr1.plan.runs import varied_text

METRICS = "metrics.csv"


def read_metrics(folder: Path) -> pd.DataFrame:
    """A run's metrics: one row per optimiser update. UserError if the run is incomplete or damaged."""
    read_manifest(folder)
    path = folder / METRICS
    verify_file(path)
    try:
        frame = pd.read_csv(path)
    except (pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError):
        raise UserError(f"{path}: is no csv; train the run again") from None
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
    """Updates that one point of a smoothed curve averages: a twentieth of the training, at least one."""
    return max(1, round(steps / 20))


def smoothed(values: pd.Series, window: int) -> pd.Series:
    """The mean of each value and the up to window - 1 before it: no look ahead, no missing start."""
    return values.rolling(window, min_periods=1).mean()
