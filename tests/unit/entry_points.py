"""The workflow's programs, called in this process: starting one takes seconds."""

from __future__ import annotations

import importlib
import sys

import pytest

from othink_mr1.errors import run_entry_point


def run(script, *arguments):
    """Call an entry point in this process. Returns what it says on failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{script}.py", *map(str, arguments)])
        try:
            run_entry_point(importlib.import_module(script).main)
        except SystemExit as stop:
            return stop.code
    return None
