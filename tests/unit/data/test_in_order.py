"""Work in threads: the order stays, little is read ahead, and an error comes in its turn."""

import threading
import time

import pytest

from othink_mr1.data import in_order as in_order_module
from othink_mr1.data.in_order import AT_ONCE, in_order


def slow_square(number):
    time.sleep(0.002 * (number % 3))
    return number * number


@pytest.mark.parametrize("threads", [1, 4])
def test_results_come_in_order(threads):
    assert list(in_order(slow_square, range(50), threads, lambda _: 1)) == [n * n for n in range(50)]


@pytest.mark.parametrize(("most_bytes", "expected"), [(10**9, 2 * AT_ONCE), (35, 4), (1, 1)])
def test_little_is_read_ahead(monkeypatch, most_bytes, expected):
    """Things of 10 bytes: of 35, the fourth is the first too many."""
    read = 0

    def things():
        nonlocal read
        for number in range(100):
            read = number + 1
            yield number

    monkeypatch.setattr(in_order_module, "MOST_BYTES", most_bytes)
    results = in_order(slow_square, things(), 2, lambda _: 10)
    assert next(results) == 0
    assert read == expected
    assert len(list(results)) == 99


def test_they_work_at_the_same_time():
    both = threading.Barrier(2, timeout=10)
    assert len(list(in_order(lambda _: both.wait(), range(2), 2, lambda _: 1))) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_comes_in_its_turn(threads):
    results = in_order(lambda number: 1 // (number - 2), range(100), threads, lambda _: 1)
    assert [next(results), next(results)] == [-1, -1]
    with pytest.raises(ZeroDivisionError):
        next(results)
