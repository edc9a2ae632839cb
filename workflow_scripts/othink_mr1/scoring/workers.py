"""Scoring in separate processes, with a limit of time and memory per question.

Safe on hostile text, from any thread, several at once, and under accelerate: this process, which may have a
model and threads, is not forked and gets no signal handlers. pebble manages the processes: it starts them by
"spawn", replaces those that end, and ends all of them when the interpreter ends. If this process is killed,
they end by themselves (worker.py). With "spawn" they import the program's main module: do not import torch at
its top, or every start takes seconds.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from othink_mr1.data.in_order import chunks
from othink_mr1.errors import UserError
from othink_mr1.scoring.task_scorers import Rule
from othink_mr1.scoring.worker import CRASHES, LIMITS, Question, answer, start

__all__ = ["LONGEST", "MEGABYTES", "Question", "Rule", "ScoringWorkers", "TimedOut", "shared_workers"]

SECONDS = 1.0  # CPU time per question
MEGABYTES = 450  # address space that a process may add to what it starts with
LONGEST = 4_000_000  # characters of a completion; longer ones are TimedOut unread. 1024 tokens have thousands

_CHUNK = 64  # questions that are sent to a process at once,
_CHUNK_CHARACTERS = 200_000  # unless they are long
_LIFETIME = 800  # chunks that a process answers; the parser's caches grow with every new text
_WALL_SECONDS = 60.0  # longest wait for a chunk's replies: a stopped or starved process, not a slow question
_ROUNDS = 4  # the first in chunks, the others for single questions of chunks that failed


@dataclass(frozen=True)
class TimedOut:
    """The question exceeded a limit. reason: which one, in a few fixed words."""

    reason: str


class RefusedQuestion(UserError):
    """A rule's UserError, with its question."""

    def __init__(self, message: str, question: Question) -> None:
        super().__init__(message)
        self.question = question


class ScoringWorkers:
    """Scoring processes. They start with the first question; any thread may call any method."""

    def __init__(self, count: int, seconds: float = SECONDS, megabytes: int = MEGABYTES) -> None:
        if count < 1:
            raise UserError(f"workers: must be at least 1, got {count}")
        self.count, self._seconds, self._megabytes = count, seconds, megabytes
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._closed = False
        self._pool = self._new_pool()

    def __enter__(self) -> ScoringWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def usable(self) -> bool:
        """Whether they are open and belong to this process, not to one that it was forked from."""
        return not self._closed and self._owner == os.getpid()

    def answers(self, questions: Sequence[Question]) -> list[Any]:
        """What the rules return, in order, or TimedOut.

        The result does not depend on the number of processes. RefusedQuestion if a rule raises an error, or
        returns no verdict. UserError if processes repeatedly end, but not by a limit or a crash of their own,
        as that says nothing about the completion.
        """
        too_long = TimedOut(f"longer than {LONGEST} characters")
        replies: dict[Question, Any] = {one: too_long for one in questions if len(one.completion) > LONGEST}
        unread = [one for one in dict.fromkeys(questions) if one not in replies]
        waiting = list(chunks(unread, _CHUNK, _characters, _CHUNK_CHARACTERS))
        for _ in range(_ROUNDS):
            failed = []
            for chunk, outcome in self._outcomes(waiting):
                if isinstance(outcome, list):
                    replies.update(zip(chunk, outcome, strict=True))
                elif len(chunk) == 1 and (limit := LIMITS.get(getattr(outcome, "exitcode", 0))):
                    replies[chunk[0]] = TimedOut(limit)
                else:
                    failed.append((chunk, outcome))
            waiting = [[one] for chunk, _ in failed for one in chunk]
        for chunk, outcome in failed:
            if getattr(outcome, "exitcode", 0) not in CRASHES:
                raise UserError(
                    f"scoring: its processes ended {_ROUNDS} times ({self._ending(outcome)}), not by a limit "
                    "of their own; look for messages above and for what ends processes here (memory, or "
                    "address space: `ulimit -a`), and run snakemake again"
                )
            replies[chunk[0]] = TimedOut("crash")
        for question, reply in replies.items():
            if isinstance(reply, UserError):
                raise RefusedQuestion(str(reply), question)
        return [replies[question] for question in questions]

    def close(self) -> None:
        """End the processes, also in the middle of a question."""
        if self.usable:
            self._closed = True
            _end(self._pool)

    def _outcomes(self, chunks: list[list[Question]]) -> Iterator[tuple[list[Question], Any]]:
        """Each chunk's replies, or the error of its process or of the pool."""
        if not chunks:
            return
        pool = self._running_pool()
        tasks: list[ProcessFuture[list[Any]]] = []
        with contextlib.suppress(RuntimeError):  # the pool has just broken
            for chunk in chunks:
                tasks.append(pool.schedule(answer, [chunk, self._seconds], timeout=_WALL_SECONDS))
        for chunk, task in zip_longest(chunks, tasks):
            try:
                while task is None or not task.done():
                    if not pool.active:  # it has broken, and lost the chunks that it had not sent
                        raise BrokenProcessPool
                    wait([task], timeout=1)
                yield chunk, task.result()
            except (ProcessExpired, TimeoutError, BrokenProcessPool) as error:
                yield chunk, error

    def _ending(self, outcome: Any) -> str:
        """How a process ended, for a message."""
        if isinstance(outcome, BrokenProcessPool):  # it ended before its first question: start one to see how
            process = multiprocessing.get_context("spawn").Process(target=start, args=(self._megabytes,))
            process.start()
            process.join(_WALL_SECONDS)
            process.kill()
            return f"at their start, exit status {process.exitcode}"
        return f"exit status {outcome.exitcode}" if isinstance(outcome, ProcessExpired) else "no reply"

    def _running_pool(self) -> ProcessPool:
        """The pool, or a new one: a pool breaks when a process without a question ends."""
        with self._lock:
            if not self.usable:
                raise RuntimeError("these scoring workers are closed, or of another process")
            if not self._pool.active:
                _end(self._pool)
                self._pool = self._new_pool()
            return self._pool

    def _new_pool(self) -> ProcessPool:
        spawn = multiprocessing.get_context("spawn")
        return ProcessPool(self.count, _LIFETIME, start, (self._megabytes,), spawn)


def _characters(question: Question) -> int:
    return len(question.completion) + len(question.gold)


def _end(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()


_shared: ScoringWorkers | None = None
_shared_lock = threading.Lock()


def shared_workers() -> ScoringWorkers:
    """The workers of this process: at most two, as scoring runs alongside training."""
    global _shared
    with _shared_lock:
        if _shared is None or not _shared.usable:
            _shared = ScoringWorkers(min(2, len(os.sched_getaffinity(0))))
        return _shared
