"""Caching of what is derived from a config: one parse of the Snakefile asks for the same dozens of times."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import ParamSpec, TypeVar, cast

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


def per_config(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Cache a function of a StudyConfig and names; callers must not modify what it returns.

    A config is immutable, so its object identity is the cache key.
    """
    return cast(Callable[_Arguments, _Result], lru_cache(maxsize=1_000_000)(function))
