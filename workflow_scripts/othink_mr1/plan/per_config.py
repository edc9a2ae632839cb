"""Remembering what follows from a config: one reading of the Snakefile asks dozens of times for the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def per_config(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Call a function of a StudyConfig and names once for each; what it returns must not be changed.

    A config cannot be changed, so it is told from another by being that very object.
    """
    return cast(Callable[_Arguments, _Result], lru_cache(maxsize=1_000_000)(function))
