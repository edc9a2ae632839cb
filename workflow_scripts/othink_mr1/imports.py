"""Imports of large packages, which take most of a short job's time."""

from __future__ import annotations

import gc
import sys
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


@contextmanager
def torch_imports() -> Iterator[None]:
    """Wrap imports of torch and transformers: quick_imports, and scipy is taken as not installed.

    transformers imports it, where it is installed, for losses of object detection: a tenth of the time. What
    is imported here cannot import scipy, unless it has been before.
    """
    hide = "scipy" not in sys.modules
    if hide:
        sys.modules["scipy"] = None  # type: ignore[assignment]
    try:
        with quick_imports():
            yield
    finally:
        if hide:
            sys.modules.pop("scipy", None)
