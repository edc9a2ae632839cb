"""Scoring in worker processes, each question with a limit of time and memory.

Safe on hostile text, from any thread, several at once, and under accelerate: no signals and no fork of this
process, which may hold a model and threads. A question that exceeds a limit costs one worker, which is
replaced, and is TimedOut. Workers end with `close`, at the end of the interpreter, and by themselves when
this process is gone, however it went.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from othink_mr1.errors import UserError
from othink_mr1.scoring.worker_process import Question, Rule, TimedOut, WorkerProcess

__all__ = ["LONGEST", "MEGABYTES", "Question", "Rule", "ScoringWorkers", "TimedOut", "shared_workers"]

SECONDS = 1.0  # processor time per question
MEGABYTES = 512  # address space of a worker; it begins with 70
LONGEST = 4_000_000  # characters of a completion: more is TimedOut unread; 1024 new tokens have some thousand

_CHUNK = 64  # questions that go to a worker at once,
_CHUNK_CHARACTERS = 200_000  # unless they are long
_LIFETIME = 50_000  # questions; the parser's caches grow with every new text
_DEATHS = 3  # of workers at the same question, by anything but its limits


class ScoringWorkers:
    """Some worker processes. They start with the first question; all methods may be called by any thread."""

    def __init__(self, count: int, seconds: float = SECONDS, megabytes: int = MEGABYTES) -> None:
        if count < 1:
            raise UserError(f"workers: must be at least 1, got {count}")
        self.count, self._seconds, self._megabytes = count, seconds, megabytes
        self._idle: list[WorkerProcess] = []
        self._lock = threading.Lock()
        self._places = threading.Semaphore(count)
        self._owner = os.getpid()
        self._closed = False
        _open_pools.add(self)

    def __enter__(self) -> ScoringWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def answers(self, questions: Sequence[Question]) -> list[Any]:
        """What the rules return, in order, as JSON gives it (a Judgement is [outcome, reason]), or TimedOut.

        The result does not depend on the number of workers. UserError as the rule raises it;
        RuntimeError for any other exception in a worker.
        """
        if self._owner != os.getpid():
            raise RuntimeError("scoring workers belong to the process that made them")
        different = list(dict.fromkeys(questions))
        chunks = list(_chunks(different))
        if self.count == 1 or len(chunks) == 1:
            replies = [self._chunk_answers(chunk) for chunk in chunks]
        else:
            with ThreadPoolExecutor(self.count) as threads:
                replies = list(threads.map(self._chunk_answers, chunks))
        by_question = dict(zip(different, (reply for chunk in replies for reply in chunk), strict=True))
        return [by_question[question] for question in questions]

    def close(self) -> None:
        """End the workers: idle ones at once, others after the question they are at."""
        with self._lock:
            self._closed = True
            ending, self._idle = self._idle, []
        if self._owner != os.getpid():  # in a process forked from the owner: they are not ours to end
            return
        _open_pools.discard(self)
        for worker in ending:
            worker.end()

    def _chunk_answers(self, questions: list[Question]) -> list[Any]:
        replies: list[Any] = []
        deaths = 0  # in a row without a reply: of a worker that something else ended, not the question
        while len(replies) < len(questions):
            if len(questions[len(replies)].completion) > LONGEST:  # such a one is alone in its chunk
                replies.append(TimedOut(f"longer than {LONGEST} characters"))
                continue
            before = len(replies)
            with self._places, self._borrowed() as worker:
                replies.extend(worker.ask(questions[before:]))
            deaths = 0 if len(replies) > before else deaths + 1
            if deaths == _DEATHS:
                replies.append(TimedOut(f"worker ended, {worker.end()}"))
        return replies

    @contextlib.contextmanager
    def _borrowed(self) -> Iterator[WorkerProcess]:
        with self._lock:
            if self._closed:
                raise RuntimeError("these scoring workers are closed")
            worker = self._idle.pop() if self._idle else None
        worker = worker or WorkerProcess(self._seconds, self._megabytes)
        try:
            yield worker
        except BaseException:
            worker.end()
            raise
        if worker.alive and worker.asked < _LIFETIME:
            self._keep(worker, first=True)
            return
        worker.end()
        # The new ones get ready while others work. Hostile texts come in rows: one to spare.
        while self._keep(WorkerProcess(self._seconds, self._megabytes), first=False) <= self.count:
            pass

    def _keep(self, worker: WorkerProcess, first: bool) -> int:
        """Make a worker idle, as the next or as the last to be used. Returns how many are idle then."""
        with self._lock:
            if not self._closed:
                self._idle.insert(len(self._idle) if first else 0, worker)
                return len(self._idle)
        worker.end()
        return self.count + 1


def _chunks(questions: list[Question]) -> Iterator[list[Question]]:
    chunk: list[Question] = []
    characters = 0
    for question in questions:
        size = len(question.completion) + len(question.gold)
        if chunk and (len(chunk) == _CHUNK or characters + size > _CHUNK_CHARACTERS):
            yield chunk
            chunk, characters = [], 0
        chunk.append(question)
        characters += size
    if chunk:
        yield chunk


_open_pools: set[ScoringWorkers] = set()
_shared: ScoringWorkers | None = None
_shared_lock = threading.Lock()


def shared_workers() -> ScoringWorkers:
    """The workers of this process: two at most, as scoring goes on beside training."""
    global _shared
    with _shared_lock:
        if _shared is None or _shared._closed or _shared._owner != os.getpid():
            _shared = ScoringWorkers(min(2, len(os.sched_getaffinity(0))))
        return _shared


@atexit.register
def _close_all() -> None:
    for pool in list(_open_pools):
        pool.close()
