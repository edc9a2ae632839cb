"""Changes of the config that a person types: `methods.grpo.learning_rate=2e-6`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from othink_mr1.errors import UserError


def yaml_value(text: str) -> Any:
    """The value of a YAML text. Raises YAMLError, ValueError or RecursionError."""
    return YAML(typ="safe", pure=True).load(text)


def change_as_overlay(changes: Sequence[str]) -> dict[str, Any]:
    """Turn changes `path.of.the.key=value` (the value in YAML) into the content of an overlay."""
    overlay: dict[str, Any] = {}
    for change in changes:
        path, equals, text = change.partition("=")
        if not equals or not all(path.split(".")):
            raise UserError(f"set {change}: must be PATH=VALUE, as in methods.grpo.learning_rate=2e-6")
        try:
            value = yaml_value(text)
            json.dumps({path: value}, ensure_ascii=False, allow_nan=False).encode()
        except (YAMLError, ValueError, RecursionError):
            raise UserError(
                f"set {change}: {text} is not valid YAML, or holds half a character or an infinite number; "
                "write lists without spaces, and texts in quotes"
            ) from None
        except TypeError:
            raise UserError(
                f"set {change}: to YAML {text} is a {type(value).__name__}; quote a text"
            ) from None
        inner: Any = overlay
        *above, last = path.split(".")
        for key in above:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                raise UserError(f"set {change}: {key} is given a value of its own by another change")
        inner[last] = value
    return overlay
