"""Imports of large packages, which take most of a short job's time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports(*absent: str) -> Iterator[None]:
    """Wrap imports of many modules: garbage collection takes a fifth of their time, so it is switched off.

    absent: packages that are taken as not installed. transformers imports scipy, where it is installed, for
    losses of object detection; that is a tenth of the time.
    """
    gc.disable()
    hidden = [name for name in absent if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: its import fails
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        gc.freeze()  # later collections skip what was imported
        gc.enable()
