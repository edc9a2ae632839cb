"""Finding a task's scorer by its name."""

from __future__ import annotations

import importlib
import pkgutil
import traceback
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

from othink_mr1 import scoring
from othink_mr1.errors import UserError, first_line
from othink_mr1.scoring.outcomes import OUTCOMES, Judgement

if TYPE_CHECKING:  # every scoring process would import pydantic and build its models
    from othink_mr1.config.study import StudyConfig


Rule = Literal["r1v_correct", "r1v_reward", "exact_outcome", "exact_reward"]


def known_scorers() -> list[str]:
    """The modules of this package that score a task."""
    return sorted(name for name in _modules() if not _missing(_module(name)))


@lru_cache(maxsize=64)
def load_scorer(name: str) -> ModuleType:
    """The scorer of that name. UserError names the known ones, or says what is wrong with its module."""
    if name not in _modules():
        raise UserError(f"scorer {name!r}: unknown; known are {', '.join(known_scorers())}")
    if missing := _missing(_module(name)):
        raise UserError(
            f"scorer {name!r}: othink_mr1/scoring/{name}.py has no function {', '.join(missing)}; known are "
            f"{', '.join(known_scorers())}"
        )
    return _module(name)


def verdict(scorer: str, rule: Rule, completion: str, gold: str) -> Any:
    """What a scorer's function returns. UserError if it fails, or returns what is no verdict.

    A wrong type would go unnoticed otherwise: 1 instead of True was no correct answer.
    """
    judge = getattr(load_scorer(scorer), rule)
    try:
        value = judge(completion, gold)
    except (UserError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        fault = f"raised {_with_its_line(error, scorer)}"
    else:
        if _is_verdict(rule, value):
            return value
        fault = f"returned {repr(value)[:80]}, not {_VERDICTS[rule]}"
    raise UserError(
        f"scorer {scorer!r}: {rule} {fault}, for the gold {gold[:80]!r} and an answer that ends with "
        f"{completion[-80:]!r}; correct othink_mr1/scoring/{scorer}.py"
    )


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
        judgement = verdict(name, "exact_outcome", f"<answer>{gold}</answer>", gold)
        if not judgement.correct:
            raise UserError(
                f"gold {gold[:80]!r}: scorer {name!r} would reject even this text as an answer "
                f"({judgement.outcome}: {judgement.reason}); correct the row, or choose another scorer"
            )


def _modules() -> set[str]:
    return {module.name for module in pkgutil.iter_modules(scoring.__path__)}


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(f"{scoring.__name__}.{name}")
    except (Exception, SystemExit) as error:
        raise UserError(
            f"scorer {name!r}: othink_mr1/scoring/{name}.py cannot be imported "
            f"({_with_its_line(error, name)}); correct it"
        ) from None


def _missing(module: object) -> list[str]:
    return [rule for rule in get_args(Rule) if not callable(getattr(module, rule, None))]


_VERDICTS: dict[Rule, str] = {
    "r1v_correct": "True or False",
    "r1v_reward": "0 or 1",
    "exact_outcome": f"a Judgement of {', '.join(OUTCOMES)}",
    "exact_reward": "0 or 1",
}


def _is_verdict(rule: Rule, value: object) -> bool:
    if rule == "r1v_correct":
        return isinstance(value, bool)
    if rule == "exact_outcome":
        return isinstance(value, Judgement) and value.outcome in OUTCOMES
    return isinstance(value, int | float) and value in (0, 1)


def _with_its_line(error: BaseException, scorer: str) -> str:
    """A module's exception, with the last of the module's own lines that led to it."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename).stem == scorer]
    where = f" in line {lines[-1]}" if lines else ""
    return f"{type(error).__name__}{where}: {first_line(error)}"
