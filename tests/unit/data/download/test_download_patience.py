"""How long failing servers are asked again."""

from types import SimpleNamespace

import pytest

from othink_mr1.data.download.client import Interrupted, Patience
from othink_mr1.errors import UserError


def test_patience_ends_within_minutes(monkeypatch):
    waits = []
    monkeypatch.setattr("tenacity.nap.time", SimpleNamespace(sleep=waits.append))  # other threads may sleep

    def attempt():
        raise Interrupted("no")

    with pytest.raises(UserError, match=r"^x: no \(6 attempts\)"):
        Patience().retry("x", attempt)
    assert len(waits) == 5
    assert waits == sorted(waits)
    assert 31 <= sum(waits) <= 31 + 5
