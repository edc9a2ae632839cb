"""Changes to a config that are only supposed: `methods.grpo.learning_rate=2e-6`, as --set gives them."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml.error import YAMLError

from othink_mr1.config.load import checked_study
from othink_mr1.config.read_yaml import Document, KeyPath, yaml_value
from othink_mr1.config.study import StudyConfig
from othink_mr1.config.suggest import unknown_name
from othink_mr1.errors import UserError

_PLACE = "--set"


@dataclass(frozen=True)
class Change:
    """A value at a path of the config, as dotted text; it takes the place of what is there."""

    path: str
    value: Any


def parse_change(text: str) -> Change:
    """`path=value`, the value in YAML. UserError if it is not that."""
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise UserError(
            f"{_PLACE} {text}: must be a path, =, and a value, as methods.grpo.learning_rate=2e-6"
        )
    try:
        return Change(path.strip(), yaml_value(value))
    except YAMLError:
        raise UserError(
            f"{_PLACE} {path.strip()}: the value is no YAML; text with braces or colons needs quotes"
        ) from None


def changed_study(document: Document, changes: list[Change]) -> StudyConfig:
    """The study with changes. UserError as by the loader, or naming a key that is unknown."""
    changed = Document(copy.deepcopy(document.content), dict(document.places))
    unknown: list[str] = []
    for change in changes:
        unknown += _apply(changed, change)
    try:
        return checked_study(changed)
    except UserError:
        # What the loader says of an entry that was begun by a slip of the pen would say nothing.
        if unknown:
            raise UserError(unknown[0]) from None
        raise


def differences(before: StudyConfig, after: StudyConfig) -> dict[str, tuple[Any, Any]]:
    """Path -> value before and after, of all values that differ; None where there is none."""
    ours, theirs = (_flat(config.model_dump(mode="json")) for config in (before, after))
    # Methods are kept as written, where `1e-6` is text.
    paths = [path for path in {**ours, **theirs} if _number(ours.get(path)) != _number(theirs.get(path))]
    return {path: (ours.get(path), theirs.get(path)) for path in paths}


def shown(value: Any) -> str:
    """A value for a message, in one line."""
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _apply(document: Document, change: Change) -> list[str]:
    """Write the value into the document; returns messages about keys above the last that were not there."""
    content, rest = document.content, change.path
    path: KeyPath = ()
    unknown: list[str] = []
    while True:
        key = _key(content, rest)
        path = (*path, key)
        rest = rest[len(key) + 1 :]
        if not rest:
            break
        below = content.get(key)
        if below is not None and not isinstance(below, dict):
            raise UserError(f"{_PLACE} {change.path}: {'.'.join(path)} is a value, and holds no {rest}")
        if below is None:
            unknown.append(f"{_PLACE} {change.path}: {unknown_name('key', key, content)}")
            below = content[key] = {}
        content = below
    content[key] = change.value
    _forget(document.places, path)
    document.places[path] = _PLACE
    return unknown


def _key(content: Mapping[str, Any], rest: str) -> str:
    """The first key of a dotted path: the longest that is there (`kl_schedule.weight` is one in `vary`)."""
    parts = rest.split(".")
    for length in range(len(parts), 0, -1):
        if (key := ".".join(parts[:length])) in content:
            return key
    return parts[0]


def _forget(places: dict[KeyPath, str], path: KeyPath) -> None:
    for below in [place for place in places if place[: len(path)] == path]:
        del places[below]


def _flat(content: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(content, dict) or not content:
        return {path: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= _flat(value, f"{path}.{key}" if path else key)
    return found


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else value
    except ValueError:
        return value
