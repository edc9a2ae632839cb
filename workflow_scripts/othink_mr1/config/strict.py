"""The base of every config model: strict types, unknown keys refused, immutable."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_EXPONENT_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def _exponent_without_point(value: Any) -> Any:
    """YAML 1.1 reads `1e-6` as a string (it wants `1.0e-6`); everybody who writes it means a number."""
    if isinstance(value, str) and _EXPONENT_NUMBER.fullmatch(value):
        return float(value)
    return value


# Of fp32, in which all of them are computed with: beyond it torch raises, or gives infinities.
LARGEST = 3.4e38

Number = Annotated[float, BeforeValidator(_exponent_without_point), Field(le=LARGEST)]
Positive = Annotated[Number, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[Number, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
BelowOne = Annotated[Number, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
Repository = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name on the hub")]
# Quoted nowhere in the rules, so nothing that a shell reads otherwise; and not the root of the machine.
Folder = Annotated[str, Field(pattern=r"^/?[\w.][\w./@+=-]*$")]
Revision = Annotated[str, Field(pattern=r"^[\w./-]+$", description="a commit, a branch or a tag")]
PromptTemplate = Annotated[str, Field(pattern=r"^[^{}]*\{question\}[^{}]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """No unknown keys, no silent conversions (a string is not a number), no mutation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
