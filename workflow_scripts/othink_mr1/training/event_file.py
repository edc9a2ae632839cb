"""TensorBoard's events of a run, written in this thread.

torch's SummaryWriter writes in a thread of its own, which on a full disk dies with a traceback while the
training goes on. The format is TensorBoard's: its record writer, its protocol buffers.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

# The first record of every such file, by which TensorBoard knows it.
_VERSION = "brain.Event:2"


class EventFile:
    """One file of scalars in a folder. Each step is on its way to the disk when `add` returns."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard looks for `tfevents` in the name; by time and host, so that no two are the same.
        self.path = folder / f"events.out.tfevents.{time.time_ns() // 10**6}.{socket.gethostname()}"
        self._stream = self.path.open("wb")
        self._writer = RecordWriter(self._stream)
        self._write(Event(wall_time=time.time(), file_version=_VERSION))

    def add(self, step: int, values: Mapping[str, float | None]) -> None:
        """Scalars of a step; None is left out."""
        scalars = [
            Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None
        ]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=scalars)))

    def close(self) -> None:
        """No more is to come."""
        self._stream.close()

    def _write(self, event: Event) -> None:
        self._writer.write(event.SerializeToString())
        self._stream.flush()
