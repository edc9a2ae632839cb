"""Signals that ask a training to end, answered where nothing is half done.

SIGTERM comes from a scheduler, SIGINT from Ctrl-C, SIGHUP from a terminal that closes, SIGURG from Slurm some
time before a job's limit (SIGUSR1 would end the shells around the training). SIGKILL cannot be answered: the
last saved state is what is left.
"""

from __future__ import annotations

import os
import signal
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGURG)


class Stop(BaseException):
    """Raised within `interruptible`. No Exception: nothing between may take it for a failure of its own."""


class Interruption:
    """Whether the process was asked to end."""

    def __init__(self) -> None:
        self.requested: int | None = None  # number of the first signal
        self._may_stop = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Answer the signals within the block; elsewhere than in the main thread they are left alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup
        answered = [number for number in SIGNALS if not (ignored and number == signal.SIGHUP)]
        before = {number: signal.signal(number, self._note) for number in answered}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within the block a signal, also one that came before, raises Stop at once."""
        self._may_stop = True
        try:
            if self.requested is not None:
                raise Stop
            yield
        finally:
            self._may_stop = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested is None:
            self.requested = number
        if number == signal.SIGHUP:
            _leave_terminal()
        if self._may_stop:
            self._may_stop = False  # the next signal must not disturb what Stop leads to
            raise Stop


def _leave_terminal() -> None:
    """Send nowhere what is still printed to a terminal that is gone: an error would cost the state.

    A log file stays what it is.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        with suppress(OSError):  # one that was closed from the start
            if stat.S_ISCHR(os.fstat(output).st_mode):
                os.dup2(nowhere, output)
    os.close(nowhere)
