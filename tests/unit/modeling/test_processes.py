"""Shares of a training's processes. tests/crash/test_several_processes.py starts several."""

from __future__ import annotations

import pytest
import torch

from othink_mr1.errors import UserError
from othink_mr1.modeling.processes import ALONE, Processes, processes_of
from tiny import execution


def test_shares_are_all_of_it_once_in_order() -> None:
    items = list(range(11))
    for count in (1, 2, 3, 8):
        parts = [Processes(rank, count).share(items) for rank in range(count)]
        assert [item for part in parts for item in part] == items
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
        assert [Processes(rank, count).before(11) for rank in range(count)] == [
            sum(map(len, parts[:rank])) for rank in range(count)
        ]


def test_alone_everything_comes_back() -> None:
    weight = torch.zeros(2, requires_grad=True)
    ALONE.add_gradients([weight])
    assert weight.grad is None
    assert ALONE.told([1]) == ALONE.joined([1]) == ALONE.total(1) == [1]
    assert not ALONE.any_of(False)


def test_another_number_of_processes_than_the_execution_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match=r"asks for 1 processes, .* started as 2 "):
        processes_of(execution())
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(UserError, match=r"asks for 4 processes, .* started as 1 "):
        processes_of(execution(gpus=4))
