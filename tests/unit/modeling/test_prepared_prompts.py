"""Prompts that threads prepare ahead: the same bytes, in order, and no more of them than allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import wait

import pytest
import torch

from othink_mr1.config.execution import DeviceResources
from othink_mr1.modeling.prepared_prompts import PreparedAhead, background_threads
from othink_mr1.modeling.prompts import PromptMaker
from tiny import QUESTIONS, Tiny, picture

SIZES = ((56, 56), (480, 320), (84, 56), (300, 500), (57, 113))


def test_the_bytes_are_those_of_one_batch(tiny: Tiny) -> None:
    maker = PromptMaker(tiny.model, tiny.processor)
    pictures = [picture(n % 5, *SIZES[n % len(SIZES)]) for n in range(40)]
    texts = [f"{n} and {QUESTIONS[n % 2]} {'so ' * (n % 7)}" for n in range(40)]
    expected = maker.make(pictures, texts)

    def make(places: Sequence[int]) -> list:
        return maker.make([pictures[place] for place in places], [texts[place] for place in places])

    with PreparedAhead(make, lambda number: range(10 * (number - 1), 10 * number), 4, threads=3) as ahead:
        made = [prompt for number in range(1, 5) for prompt in ahead.take(number)]
    assert len(made) == len(expected)
    for mine, other in zip(made, expected, strict=True):
        for name in ("token_ids", "pixel_values", "image_grid", "positions"):
            own, theirs = getattr(mine, name), getattr(other, name)
            assert own.dtype == theirs.dtype
            assert torch.equal(own, theirs), name
        assert mine.next_position == other.next_position
        assert mine.image_features is None
    assert len({len(prompt) for prompt in made}) > 5


def test_the_length_of_a_prompt_is_known_without_its_picture(tiny: Tiny) -> None:
    maker = PromptMaker(tiny.model, tiny.processor)
    for n, size in enumerate(SIZES):
        image, text = picture(2, *size), f"{QUESTIONS[n % 2]} {'so ' * n}"
        assert maker.tokens(image, text) == len(maker.make([image], [text])[0])


class Watched:
    """Batches of three numbers, and which of them were begun."""

    def __init__(self, broken: int | None = None) -> None:
        self._broken = broken
        self.begun: list[int] = []
        self.keys_together: set[int] = set()
        self.threads: set[str] = set()

    def make(self, keys: Sequence[int]) -> list[int]:
        self.begun += keys
        self.keys_together.add(len(keys))
        self.threads.add(threading.current_thread().name.partition("_")[0])
        if self._broken in keys:
            raise OSError("damaged")
        return [key**2 for key in keys]

    def keys(self, number: int) -> range:
        return range(3 * number, 3 * number + 3)

    def ahead(self, threads: int, ahead: int = 1, last: int = 6) -> PreparedAhead[int, int]:
        return PreparedAhead(self.make, self.keys, last, threads, ahead)


def squares(number: int) -> list[int]:
    return [key**2 for key in range(3 * number, 3 * number + 3)]


def begun(watched: Watched, batches: PreparedAhead[int, int]) -> list[int]:
    """What was begun, once the threads have nothing more to do."""
    wait([future for futures in batches._waiting.values() for future in futures])
    return sorted(watched.begun)


@pytest.mark.parametrize(("threads", "ahead"), [(1, 1), (2, 1), (3, 2)])
def test_so_many_batches_ahead_and_none_beyond_the_last(threads: int, ahead: int) -> None:
    watched = Watched()
    with watched.ahead(threads, ahead) as batches:
        assert watched.begun == []
        for number in range(2, 7):  # from the middle, as after a restart
            assert batches.take(number) == squares(number)
            assert begun(watched, batches) == list(range(6, 3 * min(number + ahead, 6) + 3))
    assert watched.keys_together == {1}
    assert watched.threads == {"prompts"}


def test_without_threads_a_batch_is_made_when_it_is_taken() -> None:
    watched = Watched()
    with watched.ahead(0) as batches:
        for number in range(1, 7):
            assert batches.take(number) == squares(number)
            assert watched.begun == list(range(3, 3 * number + 3))
    assert watched.keys_together == {3}
    assert watched.threads == {"MainThread"}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_batch_can_be_taken_again(threads: int) -> None:
    with Watched().ahead(threads) as batches:
        assert [batches.take(number) for number in (1, 2, 1, 3, 3, 4)] == [
            squares(number) for number in (1, 2, 1, 3, 3, 4)
        ]


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_an_error_is_that_of_its_own_batch(threads: int) -> None:
    watched = Watched(broken=10)
    with watched.ahead(threads) as batches:
        for number in (1, 2):
            assert batches.take(number) == squares(number)
            begun(watched, batches)
        with pytest.raises(OSError, match=r"^damaged$"):
            batches.take(3)


def test_the_end_waits_for_nothing() -> None:
    started_on: list[int] = []
    release = threading.Event()

    def make(keys: Sequence[int]) -> list[int]:
        started_on.extend(keys)
        if keys[0] >= 200:  # the second batch
            release.wait(60)
        return list(keys)

    def keys_of(number: int) -> range:
        return range(100 * number, 100 * number + 100)

    started = time.monotonic()
    with PreparedAhead(make, keys_of, 9, threads=2) as batches:
        batches.take(1)
    assert time.monotonic() - started < 10
    release.set()
    for thread in [thread for thread in threading.enumerate() if thread.name.startswith("prompts")]:
        thread.join(10)
        assert not thread.is_alive()
    assert len(started_on) <= 102  # the rest of the second batch was dropped


def test_a_gpu_leaves_one_core_to_itself_and_a_cpu_computes_with_all() -> None:
    def threads(device: str, cpus: int) -> int:
        resources = {"device": device, "gpus": 1, "cpus": cpus, "memory_gb": 1, "hours": 1}
        return background_threads(DeviceResources.model_validate(resources))

    assert [threads("cuda", cpus) for cpus in (1, 2, 8)] == [1, 1, 7]
    assert [threads("cpu", cpus) for cpus in (1, 8)] == [0, 0]
