"""Work on a stream in several threads; the results come in the stream's order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")

AHEAD = 8  # things per thread that are read before their turn


def in_order(
    work: Callable[[Thing], Result],
    things: Iterable[Thing],
    threads: int,
    weight: Callable[[Thing], int],
    most_weight: int,
) -> Generator[Result, None, None]:
    """Yield work(thing) for each thing, in order; an error comes when its thing's turn has come.

    weight, most_weight: things ahead of their turn weigh so much together at most (bytes, say), one
    always goes. The things are read in the calling thread.
    """
    if threads == 1:
        yield from map(work, things)
        return
    waiting: deque[tuple[Future[Result], int]] = deque()
    ahead = 0
    with ThreadPoolExecutor(threads) as pool:
        try:
            for thing in things:
                waiting.append((pool.submit(work, thing), weight(thing)))
                ahead += waiting[-1][1]
                while len(waiting) > AHEAD * threads or ahead > most_weight:
                    future, its_weight = waiting.popleft()
                    ahead -= its_weight
                    yield future.result()
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            for future, _ in waiting:
                future.cancel()
