"""The code inside a scoring process: its limits, and how it answers questions.

Completions are a model's text, and math-verify takes seconds and gigabytes for some of them. So every
question has a limit of CPU time, after which the kernel ends the process. (That is SIGPROF's default action,
without a handler, so it also works inside one long C call.) While a process answers, its additional address
space is limited too; a process that reaches this limit ends itself. workers.py recognises both by the exit
code.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from othink_mr1.errors import UserError
from othink_mr1.imports import quick_imports
from othink_mr1.scoring.r1v_accuracy import load_math_verify
from othink_mr1.scoring.task_scorers import Rule, load_scorer, verdict

OUT_OF_MEMORY = 77  # exit code
LIMITS = {-signal.SIGPROF: "time limit", OUT_OF_MEMORY: "memory limit"}  # exit code -> what was exceeded
# Caused by a text if they repeat with that text alone: it made the interpreter or a library crash.
CRASHES = {-signal.SIGSEGV, -signal.SIGBUS, -signal.SIGABRT, -signal.SIGILL, -signal.SIGFPE}

_LOOK_FOR_PARENT_EVERY = 1.0  # seconds
_most_bytes = 0  # of address space while it answers; set at the start


class Question(NamedTuple):
    """One thing to score: by a function (rule) of a task's scorer, a module othink_mr1.scoring.<scorer>."""

    scorer: str
    rule: Rule
    completion: str
    gold: str


def start(megabytes: int) -> None:
    """Prepare this process, before its first question."""
    global _most_bytes
    threading.Thread(target=_end_without_parent, daemon=True).start()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # sent to the whole process group: the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ends it at once, also inside one long C call
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    logging.disable(logging.CRITICAL)  # math-verify logs every text that it cannot read
    with quick_imports():  # here, not within a question's time limit
        load_math_verify()
    os.dup2(2, 1)  # standard output belongs to the parent
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it only writes to pipes
    _most_bytes = _address_space() + (megabytes << 20)
    allowed = resource.getrlimit(resource.RLIMIT_AS)[1]
    if allowed != resource.RLIM_INFINITY and allowed < _most_bytes:  # else a text would seem to be the cause
        raise MemoryError(
            f"scoring needs {_most_bytes >> 20} MB of address space, {allowed >> 20} are allowed"
        )


def _end_without_parent() -> None:
    """A killed parent cannot end this process, and a fork of the parent may keep the pipe open."""
    parent = multiprocessing.parent_process()
    while parent is not None and os.getppid() == parent.pid:
        time.sleep(_LOOK_FOR_PARENT_EVERY)
    os._exit(1)


def answer(questions: Sequence[Question], seconds: float) -> list[Any]:
    """What each question's rule returns, or the UserError that it raises. seconds: for each question."""
    _import_scorers({question.scorer for question in questions})
    unlimited = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_most_bytes, unlimited[1]))
    try:
        return [_answer(question, seconds) for question in questions]
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # the process's state may be inconsistent
    finally:  # sending the reply needs memory too: if pebble failed there, no reply would come
        resource.setrlimit(resource.RLIMIT_AS, unlimited)


def _import_scorers(names: set[str]) -> None:
    """A scorer may import a large library: neither the time nor the memory of that is a question's."""
    global _most_bytes
    before = _address_space()
    for name in names:
        load_scorer(name)
    _most_bytes += _address_space() - before


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _answer(question: Question, seconds: float) -> Any:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return verdict(*question)
    except UserError as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
