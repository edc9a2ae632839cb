"""Settings given to entry points as JSON."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ValidationError

from othink_mr1.errors import UserError

Settings = TypeVar("Settings", bound=BaseModel)


def parse_json(kind: type[Settings], text: str, argument: str) -> Settings:
    """Read settings from an argument's JSON text. UserError names the argument and the first mistake."""
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise UserError(f"{argument}: {where}: {first['msg']}") from None
