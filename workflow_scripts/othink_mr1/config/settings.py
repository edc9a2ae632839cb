"""A method's settings for a task: what it inherits, its own, and what differs by task.

In config.yaml a method is a dict of settings with two extra keys: `inherits` names another method, and
`by_task` holds the settings that differ per task. The later of these wins: what is inherited (itself
resolved for the task), the method's own, its `by_task` entry, then a study's `fix` and `vary`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter

from othink_mr1.config.methods import BESIDE_SETTINGS, MethodSettings
from othink_mr1.config.suggest import unknown_name
from othink_mr1.errors import UserError

_ADAPTER: TypeAdapter[Any] = TypeAdapter(MethodSettings)


def merged_settings(methods: Mapping[str, dict[str, Any]], method: str, task: str | None) -> dict[str, Any]:
    """The raw settings of a method for a task (None: the method as such), not yet validated.

    Raises UserError for an unknown or circular `inherits`.
    """
    chain = [method]
    while (parent := methods[chain[0]].get("inherits")) is not None:
        if not isinstance(parent, str) or parent not in methods:
            raise UserError(f"methods.{chain[0]}.inherits: {unknown_name('method', parent, methods)}")
        if parent in chain:
            raise UserError(f"methods.{chain[0]}.inherits: circular: {' -> '.join([parent, *chain])}")
        chain.insert(0, parent)
    merged: dict[str, Any] = {}
    for name in chain:
        own = {key: value for key, value in methods[name].items() if key not in BESIDE_SETTINGS}
        _overlay(merged, own)
        if task is not None:
            _overlay(merged, methods[name].get("by_task", {}).get(task, {}))
    return merged


def written_at(
    methods: Mapping[str, dict[str, Any]], method: str, task: str, path: tuple[str, ...]
) -> tuple[str, ...]:
    """The config path at which a method's setting for a task was last written.

    For an absent setting: the path below its nearest existing parent.
    """
    places: list[tuple[tuple[str, ...], Mapping[str, Any]]] = []
    name: str | None = method
    while name is not None:
        places.append((("methods", name, "by_task", task), methods[name].get("by_task", {}).get(task, {})))
        places.append((("methods", name), methods[name]))
        name = methods[name].get("inherits")
    for length in range(len(path), 0, -1):
        for prefix, content in places:
            if _has(content, path[:length]):
                return (*prefix, *path)
    return ("methods", method, *path)


def _has(content: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True


def validate_settings(raw: dict[str, Any]) -> Any:
    """The typed settings. Raises pydantic.ValidationError."""
    return _ADAPTER.validate_python(raw)


def with_changes(settings: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of raw settings with `path.to.setting` -> value applied. KeyError names an unknown path."""
    changed = copy.deepcopy(settings)
    for path, value in changes.items():
        *above, last = path.split(".")
        target = changed
        for key in above:
            target = target[key]
            if not isinstance(target, dict):
                raise KeyError(path)
        if last not in target:
            raise KeyError(path)
        target[last] = value
    return changed


def flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as `path.to.setting` -> value."""
    paths: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            paths.update(flat(value, f"{prefix}{key}."))
        else:
            paths[f"{prefix}{key}"] = value
    return paths


def _overlay(base: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Merge settings; a dict of another `kind` replaces what it inherits instead of mixing with it."""
    for key, value in changes.items():
        present = base.get(key)
        if isinstance(value, Mapping) and isinstance(present, dict):
            if "kind" in value and value["kind"] != present.get("kind"):
                base[key] = copy.deepcopy(dict(value))
            else:
                _overlay(present, value)
        else:
            base[key] = copy.deepcopy(value)
