"""Imports of large packages, which take most of a short job's time."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec


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
    """Wrap imports of torch and transformers: quick_imports, and leave out a fifth of what is left.

    They take seconds, so programs make them after the checks of their arguments, which should be instant.

    transformers imports scipy, where it is installed, for losses of object detection. It is taken as not
    installed: what is imported here cannot import scipy, unless it has been before.

    And transformers reads all its model files for their classes' names, once for `transformers` and once more
    for `transformers.models`. The second is a plain package here, whose modules have to be named in full.
    """
    hide = "scipy" not in sys.modules
    if hide:
        sys.modules["scipy"] = None  # type: ignore[assignment]
    try:
        with quick_imports():
            import transformers

            models = ModuleSpec("transformers.models", None, is_package=True)
            models.submodule_search_locations = [f"{folder}/models" for folder in transformers.__path__]
            sys.modules.setdefault(models.name, module_from_spec(models))
            yield
    finally:
        if hide:
            sys.modules.pop("scipy", None)
