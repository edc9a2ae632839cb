"""What a changed value of config.yaml makes anew: each field of the config's models declares it.

A field declares it in its annotation; a model's `reruns` holds for the fields that do not. Fields that rerun
nothing are left out of every identity by that declaration (identity.py), so it cannot say what is not so.
docs/reruns.md is generated from here. tests/workflow/test_reruns.py changes every value of config.yaml, and
compares what is declared with what Snakemake would run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


class Stage(StrEnum):
    """The stages in their order; what is made of a stage's results is made anew with them."""

    RAW = "download or render"
    PREPARE = "prepare"
    PRETRAIN = "download or pretrain the backbone"
    TRAIN = "train"
    GENERATE = "generate"
    SCORE = "score"
    DRAW = "collect and draw"


class Branch(StrEnum):
    """Which of a stage's jobs."""

    SOURCE = "this source, where a task or a backbone's pretraining uses it"
    SETS_OF_SOURCE = "this set"
    EVERY_SET = "every set"
    BACKBONE = "this backbone, where a study's runs start from it"
    CHOSEN_BACKBONE = "the backbone that is named, if it is not there, and all runs that start from it"
    TRAINING_SET = "the set that is named, if it is not there, and the runs on this task"
    TEST_SET = "the set that is named, if it is not there, and the answers on this task"
    RUNS_ON_TASK = "the runs on this task, by any method"
    REWARDED_ON_TASK = "the runs on this task that are rewarded (GRPO, GRPO-D): the reward scores, too"
    METHOD = (
        "the runs of this method and of those that inherit it (below `by_task`: on this task), where no "
        "`by_task`, `fix` or `vary` has a value of its own"
    )
    SEEDS = "the runs with a seed that is new"
    ANSWERS_ON_TASK = "the answers on this task, by all checkpoints"
    EVERY_ANSWER = "all answers"
    CARD_OF_TASK = "the task's data card"
    POINTS = (
        "the runs of points that no study had before, and the study's exhibits; removing a point deletes "
        "nothing"
    )
    TESTS = "the answers that no study had before, and the study's exhibits"
    ROOT = "all of it, unless the folder is moved along"


@dataclass(frozen=True)
class Reruns:
    """The first stage that a changed value makes anew, of which branch; all that is made of it follows."""

    stage: Stage
    branch: Branch


@dataclass(frozen=True)
class RerunsNothing:
    """A value that no result depends on."""

    why: str


Effect = Reruns | RerunsNothing


@dataclass(frozen=True)
class Leaf:
    """A value of the config. path: its keys, `<name>` for those that a user chooses. kind: of the entry."""

    path: tuple[str, ...]
    kind: str | None
    effects: tuple[Effect, ...]


def effects_of(model: type[BaseModel], field: FieldInfo) -> tuple[Effect, ...]:
    """What a field declares, or else its model; () if neither does."""
    own = tuple(entry for entry in field.metadata if isinstance(entry, Effect))
    default = getattr(model, "reruns", None)
    return own or (() if default is None else (default,))


@cache
def fields_without_effect(model: type[BaseModel]) -> set[str]:
    """The fields of a model that rerun nothing."""
    return {
        name
        for name, field in model.model_fields.items()
        if any(isinstance(effect, RerunsNothing) for effect in effects_of(model, field))
    }


def leaves(model: type[BaseModel], path: tuple[str, ...] = (), kind: str | None = None) -> Iterator[Leaf]:
    """Every value below a model, in the order of the fields. TypeError if one does not say what it reruns."""
    for name, field in model.model_fields.items():
        inner = models_in(field)
        named = (f"<{_singular(name)}>",) if _is_mapping(field.annotation) else ()
        if not inner:
            effects = effects_of(model, field)
            if not effects:
                raise TypeError(f"{model.__name__}.{name}: does not say what it reruns; see reruns.py")
            yield Leaf((*path, name), kind, effects)
        for part in inner:
            yield from leaves(part, (*path, name, *named), _kind(part) if len(inner) > 1 else kind)


def models_in(field: FieldInfo) -> list[type[BaseModel]]:
    """The models that a field's value may be of, or the values of its mapping."""
    for entry in field.metadata:
        if isinstance(entry, SettingsOf):
            return _models_in(entry.models)
    return _models_in(field.annotation)


@dataclass(frozen=True)
class SettingsOf:
    """For a field that holds settings as they are written, which are resolved later: their models."""

    models: Any


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _is_mapping(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) is dict


def _kind(model: type[BaseModel]) -> str | None:
    """What tells a model of a union from the others, `kind: hub`."""
    for key in ("kind", "trainer"):
        if key in model.model_fields:
            return f"{key}: {get_args(model.model_fields[key].annotation)[0]}"
    return None


def _singular(name: str) -> str:
    return {"studies": "study", "pretraining": "share"}.get(name, name.removesuffix("s"))
