"""Settings given to entry points as JSON."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter, ValidationError

from othink_mr1.errors import UserError


def parse_json(kind: Any, text: str, argument: str) -> Any:
    """Read settings of a model, or of a union of models, from an argument's JSON text.

    UserError names the argument and the first mistake.
    """
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise UserError(f"{argument}: {where}: {first['msg']}") from None
