"""Signals that ask a training to end, handled only where nothing is half done.

SIGTERM comes from a scheduler, SIGINT from Ctrl-C, SIGHUP from a terminal that closes, SIGURG from Slurm some
time before a job's limit (SIGUSR1 would end the shells around the training). SIGKILL cannot be handled: the
last saved state remains.
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
    """Raised within `interruptible`. Not an Exception, so that no handler takes it for a failure."""


class Interruption:
    """Whether the process was asked to end."""

    def __init__(self) -> None:
        self.requested: int | None = None  # number of the first signal
        self._may_stop = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Handle the signals within the block. Outside the main thread this does nothing."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # set by nohup
        answered = [number for number in SIGNALS if not (ignored and number == signal.SIGHUP)]
        before = {number: signal.signal(number, self._note) for number in answered}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within the block, a signal raises Stop at once, even if it came before the block."""
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
            self._may_stop = False  # further signals must not disturb the handling of Stop
            raise Stop


def _leave_terminal() -> None:
    """Discard output to a terminal that is gone: an error of printing would prevent saving the state.

    Output to a log file is kept.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):
        with suppress(OSError):  # a stream that was closed from the start
            if stat.S_ISCHR(os.fstat(output).st_mode):
                os.dup2(nowhere, output)
    os.close(nowhere)
