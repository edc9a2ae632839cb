"""The output of a running training: metrics.csv, trackers, log lines with the time left."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from accelerate import Accelerator

from othink_mr1.errors import naming
from othink_mr1.training.trackers import TENSORBOARD
from othink_mr1.training.training_state import METRICS

SECONDS_BETWEEN_LINES = 10.0
_STEP, _SECONDS = "step", "seconds"


class TrainingLog:
    """One row per optimiser step. None is left empty in the csv and not sent to trackers."""

    def __init__(
        self,
        folder: Path,
        name: str,
        columns: Sequence[str],
        steps: int,
        accelerator: Accelerator,
        done: int = 0,
        earlier: bytes = b"",
    ) -> None:
        """columns: those between `step` and `seconds`, which every log has; steps: the total.

        earlier: metrics.csv after the `done` steps from which a resumed run continues.
        """
        self._folder, self._name, self._steps, self._done = folder, name, steps, done
        self._accelerator = accelerator
        self._columns = [_STEP, *columns, _SECONDS]
        self._file = folder / METRICS
        with naming(self._file):
            self._file.write_bytes(earlier or f"{','.join(self._columns)}\n".encode())
        self._started = self._step_started = time.monotonic()
        self._said = -SECONDS_BETWEEN_LINES

    def step(self, step: int, values: Mapping[str, float | None]) -> None:
        """Record a finished step (from 1); its seconds are counted from the end of the previous step."""
        now = time.monotonic()
        row = {_STEP: step, **values, _SECONDS: round(now - self._step_started, 4)}
        assert list(row) == self._columns, f"columns {list(row)}"
        self._step_started = now
        with naming(self._file), self._file.open("a", newline="", encoding="utf-8") as stream:
            csv.DictWriter(stream, self._columns, lineterminator="\n").writerow(row)
        told = {key: value for key, value in values.items() if value is not None}
        with naming(self._folder / TENSORBOARD):
            self._accelerator.log(told, step=step)
        if now - self._said >= SECONDS_BETWEEN_LINES or step == self._steps:
            self._said = now
            a_step = (now - self._started) / (step - self._done)
            left = a_step * (self._steps - step)
            done = f"{self._name}: step {step}/{self._steps}, {a_step:.2f} s a step, {left:.0f} s left"
            shown = " ".join(f"{key} {value:.4g}" for key, value in told.items())
            print(f"{done}: {shown}", file=sys.stderr, flush=True)

    def so_far(self) -> bytes:
        """The current content of metrics.csv."""
        return self._file.read_bytes()


def has_columns(metrics: bytes, columns: Sequence[str], steps: int) -> bool:
    """Whether a metrics.csv has these columns, and a row for each of the first steps."""
    header, *rows = metrics.decode("utf-8").splitlines() or [""]
    expected = [str(step) for step in range(1, steps + 1)]
    return (
        header == ",".join([_STEP, *columns, _SECONDS])
        and [row.partition(",")[0] for row in rows] == expected
    )
