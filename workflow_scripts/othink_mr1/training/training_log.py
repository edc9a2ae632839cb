"""What a training run says while it runs: metrics.csv, TensorBoard events, lines with the time left."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

SECONDS_BETWEEN_LINES = 10.0


class TrainingLog:
    """One row per optimiser step. Empty values (None) are left empty in the csv and out of TensorBoard."""

    def __init__(self, folder: Path, name: str, columns: Sequence[str], steps: int) -> None:
        """columns: between `step` and `seconds`, which every log has; steps: in all."""
        self._name = name
        self._steps = steps
        self._columns = ["step", *columns, "seconds"]
        # Open as long as the log itself is: __exit__ closes it.
        self._stream = (folder / "metrics.csv").open("w", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._stream, self._columns, lineterminator="\n")
        self._csv.writeheader()
        self._board = SummaryWriter(str(folder / "tensorboard"))
        self._started = self._step_started = time.monotonic()
        self._said = -SECONDS_BETWEEN_LINES

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._board.close()

    def step(self, step: int, values: Mapping[str, float | None]) -> None:
        """Record a finished step (from 1); its seconds are those since the step before."""
        now = time.monotonic()
        row = {"step": step, **values, "seconds": round(now - self._step_started, 4)}
        assert list(row) == self._columns, f"columns {list(row)}"
        self._step_started = now
        self._csv.writerow(row)
        self._stream.flush()
        for column, value in values.items():
            if value is not None:
                self._board.add_scalar(column, value, step)
        if now - self._said >= SECONDS_BETWEEN_LINES or step == self._steps:
            self._said = now
            self._say(step, values, now - self._started)

    def _say(self, step: int, values: Mapping[str, float | None], taken: float) -> None:
        told = " ".join(f"{key} {value:.4g}" for key, value in values.items() if value is not None)
        left = taken / step * (self._steps - step)
        done = f"{self._name}: step {step}/{self._steps}, {taken / step:.2f} s a step, {left:.0f} s left"
        print(f"{done}: {told}", file=sys.stderr, flush=True)
