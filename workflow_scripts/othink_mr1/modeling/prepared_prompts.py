"""Prompts prepared ahead: threads decode the next pictures and cut them into patches while the GPU computes.

One picture takes 15 to 120 ms of one core, and an SFT step has 128 of them. Pillow and numpy release Python's
lock for four fifths of that, so threads are enough. What a prompt contains does not depend on when or where
it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from othink_mr1.config.execution import DeviceResources

Key = TypeVar("Key")
Made = TypeVar("Made")


def background_threads(execution: DeviceResources) -> int:
    """The threads that prepare prompts: with a GPU all cores but one; none where the cores compute."""
    return max(1, execution.cpus_per_process - 1) if execution.device == "cuda" else 0


class PreparedAhead(Generic[Key, Made]):
    """Numbered batches, which are taken in order. While one is used, the threads make those after it.

    Without threads, a batch is made when it is taken. Enter it as a context: at the end, what no thread has
    begun is dropped, and nothing waits for the rest.
    """

    def __init__(
        self,
        make: Callable[[Sequence[Key]], list[Made]],
        keys_of: Callable[[int], Sequence[Key]],
        last: int,
        threads: int,
        ahead: int = 1,
    ) -> None:
        """make: keys -> what is made of each; called in several threads at once, with one key each time.

        keys_of: a batch's keys. last: number of the last batch. ahead: how many batches after the taken one
        are prepared, which bounds the memory.
        """
        self._make, self._keys_of, self._last, self._ahead = make, keys_of, last, ahead
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="prompts") if threads else None
        self._submitted: int | None = None  # number of the last batch that was given to the threads
        self._waiting: dict[int, list[Future[list[Made]]]] = {}

    def __enter__(self) -> PreparedAhead[Key, Made]:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def take(self, number: int) -> list[Made]:
        """A batch. An error in making it is raised here, whoever made it; that of a later batch is not."""
        if self._pool is None:
            return self._make(self._keys_of(number))
        first = number if self._submitted is None else self._submitted + 1
        for coming in range(first, min(number + self._ahead, self._last) + 1):
            self._waiting[coming] = [self._pool.submit(self._make, [key]) for key in self._keys_of(coming)]
            self._submitted = coming
        futures = self._waiting.pop(number, None)
        if futures is None:  # taken before
            return self._make(self._keys_of(number))
        return [made for future in futures for made in future.result()]
