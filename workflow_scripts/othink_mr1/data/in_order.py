"""Processing a stream in several threads; the results are in the stream's order."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")

AT_ONCE = 8  # things per thread that are read before the first result is yielded
MOST_BYTES = 64 * 2**20  # of them together; a single larger thing is allowed


def in_order(
    work: Callable[[Thing], Result], things: Iterable[Thing], threads: int, size: Callable[[Thing], int]
) -> Generator[Result, None, None]:
    """Yield work(thing) for each thing, in order; an error is raised in place of its thing's result.

    size: a thing's bytes. The things are read in the calling thread, a few ahead.
    """
    with ThreadPoolExecutor(threads) as pool:
        for chunk in chunks(things, AT_ONCE * threads, size, MOST_BYTES):
            yield from pool.map(work, chunk)


def chunks(
    things: Iterable[Thing], most: int, size: Callable[[Thing], int], largest: int
) -> Iterator[list[Thing]]:
    """The things in groups. A group is full at `most` things, or once their sizes sum up to `largest`."""
    chunk: list[Thing] = []
    filled = 0
    for thing in things:
        chunk.append(thing)
        filled += size(thing)
        if len(chunk) == most or filled >= largest:
            yield chunk
            chunk, filled = [], 0
    if chunk:
        yield chunk
