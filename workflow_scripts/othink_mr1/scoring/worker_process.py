"""One worker process, from the side of the process that asks it. Its own side is worker.py."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from othink_mr1.errors import UserError

_WALL_SECONDS = 10.0  # longest wait for one reply: a stopped or starved worker, not a slow question
_START_SECONDS = 120.0  # importing sympy from a cold network disk
_LAST_SECONDS = 5.0  # for the kernel to end a process that has closed its output
_PACKAGES = Path(__file__).resolve().parents[2]

Rule = Literal["r1v_correct", "r1v_reward", "exact_outcome", "exact_reward"]


class Question(NamedTuple):
    """One thing to score: by a function (rule) of a task's scorer, a module othink_mr1.scoring.<scorer>."""

    scorer: str
    rule: Rule
    completion: str
    gold: str


@dataclass(frozen=True)
class TimedOut:
    """The question exceeded a limit. reason: which, in a few stable words."""

    reason: str


class RefusedQuestion(UserError):
    """A rule's UserError, with the question that it is about."""

    def __init__(self, message: str, question: Question) -> None:
        super().__init__(message)
        self.question = question


class WorkerProcess:
    """One process. A worker serves one thread at a time."""

    def __init__(self, seconds: float, megabytes: int) -> None:
        self.alive = True
        self.asked = 0
        self._ready = False
        self._unread = b""
        self._output_ended = False
        self._process = subprocess.Popen(
            # -P: no module from the current folder.
            [
                sys.executable,
                "-P",
                "-m",
                "othink_mr1.scoring.worker",
                str(os.getpid()),
                str(seconds),
                str(megabytes),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(_PACKAGES)},
            bufsize=0,
        )

    def ask(self, questions: list[Question]) -> Iterator[Any]:
        """The replies to the first questions: to all, or up to the one that ended this worker."""
        if not self._ready:
            if self._line(_START_SECONDS) is None:
                raise RuntimeError(f"a scoring worker did not start ({self.end()}); its messages are above")
            self._ready = True
        self.asked += len(questions)
        assert self._process.stdin is not None
        try:
            text = json.dumps(questions, ensure_ascii=False) + "\n"
            data = memoryview(text.encode("utf-8", "surrogatepass"))  # a completion may hold half a pair
            while data:
                data = data[self._process.stdin.write(data) :]
        except BrokenPipeError:
            self.alive = False
            return
        for question in questions:
            line = self._line(_WALL_SECONDS)
            if line is None:
                self.alive = False
                if self.end() == -signal.SIGPROF:
                    yield TimedOut("time limit")
                return
            reply = json.loads(line)
            if "limit" in reply:
                self.alive = False
                yield TimedOut(f"{reply['limit']} limit")
                return
            if "error" in reply:
                raise (
                    RefusedQuestion(reply["error"], question)
                    if reply["user"]
                    else RuntimeError(reply["error"])
                )
            yield reply["value"]

    def end(self) -> int:
        """End the process, if it has not ended, and give its status: a signal's number, negative."""
        self.alive = False
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if self._process.poll() is None and self._output_ended:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_SECONDS)
        self._process.kill()
        self._process.stdin.close()
        self._process.stdout.close()
        return self._process.wait()

    def _line(self, seconds: float) -> bytes | None:
        """The next line, or None where there is none: the process ended, or the time is over."""
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        poll = select.poll()
        poll.register(output, select.POLLIN)
        until = time.monotonic() + seconds
        while b"\n" not in self._unread:
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                return None
            block = os.read(output, 1 << 16)
            if not block:
                self._output_ended = True
                return None
            self._unread += block
        line, _, self._unread = self._unread.partition(b"\n")
        return line
