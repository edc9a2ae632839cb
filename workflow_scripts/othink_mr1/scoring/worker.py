"""The process that does the scoring: it reads questions from standard input and answers each with a line.

Completions are a model's text, and math-verify spends seconds and gigabytes on some of them. So every
question has a limit of processor time, after which the kernel ends this process (SIGPROF's own effect, no
handler: it also holds inside one long C call), and the process has a limit of address space. The caller
(workers.py) sees the end, counts the question as timed out, and starts another worker.

    in:   [[scorer, rule, completion, gold], …] as one line of JSON
    out:  per question one line of JSON: {"value": …} or {"error": …, "user": …} or {"limit": "memory"}

Only data goes through the pipes; nothing is unpickled on either side. The worker ends by itself when its
input ends or its parent is no longer there.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import select
import signal
import sys
from collections.abc import Iterator

from othink_mr1.errors import UserError
from othink_mr1.scoring.outcomes import Judgement
from othink_mr1.scoring.r1v_accuracy import load_math_verify
from othink_mr1.scoring.task_scorers import load_scorer

_LOOK_FOR_PARENT_EVERY = 1.0  # seconds


def main() -> None:
    """Answer until the input ends. Arguments: the parent's process id, seconds per question, megabytes."""
    parent, seconds, megabytes = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    for number in (signal.SIGINT, signal.SIGHUP):  # they go to the whole group: the parent decides
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    logging.disable(logging.CRITICAL)  # math-verify tells of every text that it cannot read
    load_math_verify()  # here and not in a question's time

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # it writes to a pipe alone
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    requests, replies = sys.stdin.fileno(), os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a stray print must not be taken for a reply
    _write(replies, {"ready": True})
    for line in _lines(requests, parent):
        try:
            questions = json.loads(line.decode("utf-8", "surrogatepass"))
        except MemoryError:  # a long text of wide characters
            _write(replies, {"limit": "memory"})
            return
        for scorer, rule, completion, gold in questions:
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                reply = _answer(scorer, rule, completion, gold)
            except MemoryError:
                reply = {"limit": "memory"}
            signal.setitimer(signal.ITIMER_PROF, 0)
            _write(replies, reply)
            if "limit" in reply:
                return  # what is left of the memory is not to be trusted


def _lines(requests: int, parent: int) -> Iterator[bytes]:
    """The lines of the input, until it ends or the parent is gone."""
    unread = bytearray()
    while True:
        if not select.select([requests], [], [], _LOOK_FOR_PARENT_EVERY)[0]:
            if os.getppid() != parent:  # the pipe stays open if a process forked from the parent has it
                return
            continue
        block = os.read(requests, 1 << 20)
        if not block:
            return
        unread += block
        if block.endswith(b"\n"):  # a request is one line, and the next comes after the last reply
            yield bytes(unread)
            unread.clear()


def _answer(scorer: str, rule: str, completion: str, gold: str) -> dict[str, object]:
    try:
        value = getattr(load_scorer(scorer), rule)(completion, gold)
    except UserError as error:
        return {"error": str(error), "user": True}
    except MemoryError:
        raise
    except Exception as error:  # it is raised in the parent, with its name
        return {"error": f"{type(error).__name__}: {error}"[:1000], "user": False}
    return {"value": [value.outcome, value.reason] if isinstance(value, Judgement) else value}


def _write(replies: int, reply: dict[str, object]) -> None:
    data = memoryview(json.dumps(reply).encode() + b"\n")
    while data:
        data = data[os.write(replies, data) :]


if __name__ == "__main__":
    main()
