"""Leaks by their differences from a usual one."""

from __future__ import annotations

from othink_mr1.data.leaks import Leak


def leak(**changes):
    values = {"train": "t", "test": "u", "test_id": "1", "train_id": "2", "picture": "near", "distance": 3}
    values |= {"question": "same", "train_question": "NA", "test_question": "null"} | changes
    return Leak(**({"same_picture": "2" if values["picture"] == "same" else ""} | values))
