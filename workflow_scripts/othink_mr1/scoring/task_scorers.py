"""Finding a task's scorer by its name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from functools import lru_cache
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, cast

from othink_mr1 import scoring
from othink_mr1.errors import UserError
from othink_mr1.scoring.outcomes import Judgement

if TYPE_CHECKING:  # every scoring process would import pydantic and build its models
    from othink_mr1.config.study import StudyConfig


class Scorer(Protocol):
    """The functions of a module othink_mr1.scoring.<scorer>."""

    def r1v_correct(self, completion: str, gold: str) -> bool: ...

    def r1v_reward(self, completion: str, gold: str) -> float: ...

    def exact_outcome(self, completion: str, gold: str) -> Judgement: ...

    def exact_reward(self, completion: str, gold: str) -> float: ...


def known_scorers() -> list[str]:
    """The modules of this package that score a task."""
    return sorted(name for name in _modules() if _is_scorer(_module(name)))


@lru_cache(maxsize=64)
def load_scorer(name: str) -> Scorer:
    """The scorer of that name. UserError names the known ones."""
    if name not in _modules() or not _is_scorer(_module(name)):
        raise UserError(f"scorer {name!r}: unknown; known are {', '.join(known_scorers())}")
    return cast(Scorer, _module(name))


def check_scorers(config: StudyConfig) -> None:
    """UserError if a task's scorer is unknown."""
    for name, task in config.tasks.items():
        try:
            load_scorer(task.scorer)
        except UserError as error:
            raise UserError(f"config: tasks.{name}.scorer: {error}") from None


def check_gold(gold: str, scorers: Iterable[str]) -> None:
    """UserError if no answer can be right: one of the scorers rejects the gold itself as an answer."""
    for name in scorers:
        judgement = load_scorer(name).exact_outcome(f"<answer>{gold}</answer>", gold)
        if not judgement.correct:
            raise UserError(
                f"gold {gold[:80]!r}: scorer {name!r} would reject even this text as an answer "
                f"({judgement.outcome}: {judgement.reason}); correct the row, or choose another scorer"
            )


def _modules() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(scoring.__path__)}


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{scoring.__name__}.{name}")


def _is_scorer(module: object) -> bool:
    return all(
        callable(getattr(module, rule, None))
        for rule in ("r1v_correct", "r1v_reward", "exact_outcome", "exact_reward")
    )
