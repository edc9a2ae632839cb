"""Settings given to entry points as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from othink_mr1.errors import UserError


def parse_json(kind: Any, text: str, argument: str) -> Any:
    """Parse an argument's JSON text as a model, or a union of models.

    Raises UserError that names the argument and the first mistake.
    """
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise UserError(f"{argument}: {where}: {first['msg']}") from None
