"""The `--source` and `--backbone` arguments of the entry points: settings as canonical JSON."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from othink_mr1.errors import UserError
from othink_mr1.study.sources import Backbone, Source


def source_from_json(text: str) -> Any:
    """The source's settings. UserError if they are none."""
    return _parsed(Source, text, "--source")


def backbone_from_json(text: str) -> Any:
    """The backbone's settings. UserError if they are none."""
    return _parsed(Backbone, text, "--backbone")


def _parsed(kind: Any, text: str, argument: str) -> Any:
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise UserError(f"{argument}: {where}: {first['msg']}") from None
