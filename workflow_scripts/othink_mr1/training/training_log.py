"""What a training run says while it runs: metrics.csv, trackers, lines with the time left."""

from __future__ import annotations

import csv
import io
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from accelerate import Accelerator

from othink_mr1.errors import naming
from othink_mr1.training.trackers import TENSORBOARD
from othink_mr1.training.training_state import METRICS

SECONDS_BETWEEN_LINES = 10.0
_STEP, _SECONDS = "step", "seconds"


class TrainingLog:
    """One row per optimiser step. Empty values (None) are left empty in the csv and kept from trackers."""

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
        """columns: between `step` and `seconds`, which every log has; steps: in all.

        earlier: metrics.csv after the `done` steps that a resumed run goes on from.
        """
        self._folder, self._name, self._steps, self._done = folder, name, steps, done
        self._accelerator = accelerator
        self._columns = [_STEP, *columns, _SECONDS]
        self._file = folder / METRICS
        # Open as long as the log itself is: __exit__ closes it.
        self._stream = self._file.open("w", newline="", encoding="utf-8")
        self._csv = csv.DictWriter(self._stream, self._columns, lineterminator="\n")
        with naming(self._file):
            if earlier:
                self._stream.write(earlier.decode("utf-8"))
            else:
                self._csv.writeheader()
            self._stream.flush()
        self._started = self._step_started = time.monotonic()
        self._said = -SECONDS_BETWEEN_LINES

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with naming(self._file):
            self._stream.close()

    def step(self, step: int, values: Mapping[str, float | None]) -> None:
        """Record a finished step (from 1); its seconds are those since the step before."""
        now = time.monotonic()
        row = {_STEP: step, **values, _SECONDS: round(now - self._step_started, 4)}
        assert list(row) == self._columns, f"columns {list(row)}"
        self._step_started = now
        with naming(self._file):
            self._csv.writerow(row)
            self._stream.flush()
        told = {key: value for key, value in values.items() if value is not None}
        with naming(self._folder / TENSORBOARD):
            self._accelerator.log(told, step=step)
        if now - self._said >= SECONDS_BETWEEN_LINES or step == self._steps:
            self._said = now
            self._say(step, told, now - self._started)

    def so_far(self) -> bytes:
        """metrics.csv as it is now."""
        return self._file.read_bytes()

    def _say(self, step: int, values: Mapping[str, float], taken: float) -> None:
        told = " ".join(f"{key} {value:.4g}" for key, value in values.items())
        a_step = taken / (step - self._done)
        left = a_step * (self._steps - step)
        done = f"{self._name}: step {step}/{self._steps}, {a_step:.2f} s a step, {left:.0f} s left"
        print(f"{done}: {told}", file=sys.stderr, flush=True)


def has_columns(metrics: bytes, columns: Sequence[str], steps: int) -> bool:
    """Whether a metrics.csv has these columns, and one row for each of the first steps."""
    try:
        table = csv.DictReader(io.StringIO(metrics.decode("utf-8")))
        numbers = [row[_STEP] for row in table]
    except (UnicodeDecodeError, csv.Error, KeyError):
        return False
    expected = [str(step) for step in range(1, steps + 1)]
    return list(table.fieldnames or ()) == [_STEP, *columns, _SECONDS] and numbers == expected
