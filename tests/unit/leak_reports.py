"""Leaks by their differences from a usual one, and the entry points in this process."""

from __future__ import annotations

import importlib
import sys

import pytest

from othink_mr1.data.leaks import Leak
from othink_mr1.errors import run_entry_point


def leak(**changes):
    values = {"train": "t", "test": "u", "test_id": "1", "train_id": "2", "picture": "near", "distance": 3}
    values |= {"question": "same", "train_question": "NA", "test_question": "null"} | changes
    return Leak(**({"same_picture": "2" if values["picture"] == "same" else ""} | values))


def run(script, *arguments):
    """Call an entry point in this process. Returns what it says on failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{script}.py", *map(str, arguments)])
        try:
            run_entry_point(importlib.import_module(script).main)
        except SystemExit as stop:
            return stop.code
    return None
