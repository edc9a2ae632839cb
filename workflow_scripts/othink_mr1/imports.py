"""Imports of torch and transformers, which take seconds of every job."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """Around imports of many modules: a fifth of their time goes into looking for garbage."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # nor again later in what was imported
        gc.enable()
