"""Imports of torch and transformers, which take seconds of every job."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Wrap imports of many modules: garbage collection takes a fifth of their time, so it is switched off."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # later collections skip what was imported
        gc.enable()
