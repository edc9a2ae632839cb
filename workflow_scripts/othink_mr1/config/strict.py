"""Base classes of the models: strict types, unknown keys refused, immutable."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from othink_mr1.config.suggest import unknown_name

# The largest fp32 number. All settings are used in fp32: beyond it torch raises or gives infinities.
LARGEST = 3.4e38

Number = Annotated[float, Field(le=LARGEST)]
Positive = Annotated[Number, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[Number, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
BelowOne = Annotated[Number, Field(ge=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
# Several are part of one file name, of at most 255 bytes.
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=40)]
Repository = Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name on the hub")]
# The rules do not quote it, so it has no characters special to a shell; and it is not the file system's root.
Folder = Annotated[str, Field(pattern=r"^/?[\w.][\w./@+=-]*$")]
Revision = Annotated[str, Field(pattern=r"^[\w./-]+$", description="a commit, a branch or a tag")]
# The form of Qwen2-VL's special tokens: `<|image_pad|>`, `<|im_end|>`. The tokenizer recognises them in any
# text; an additional <|image_pad|>, for example, stops the training, as it has no picture.
CONTROL_TOKEN = re.compile(r"<\|\w+\|>")


def _without_control_tokens(template: str) -> str:
    if found := CONTROL_TOKEN.search(template):
        raise PydanticCustomError(
            "control_token", "must not have {token}, which is a token of the model's own", {"token": found[0]}
        )
    return template


# Part of a command line, where an argument has at most 128 kB.
PromptTemplate = Annotated[
    str,
    Field(pattern=r"^[^{}]*\{question\}[^{}]*$", max_length=8000),
    AfterValidator(_without_control_tokens),
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

# Marks a field that affects no result, so that identity.py leaves it out of every name.
NO_EFFECT = "no effect on any result"


class Strict(BaseModel):
    """No unknown keys, no silent conversions (a string is not a number), no mutation."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ConfigModel(Strict):
    """A part of config.yaml. The error for an unknown key suggests the nearest known one.

    Fields must not be tuples: YAML has lists, and strict types do not accept a list as a tuple.
    """

    # Extra keys allowed in the config that are not the model's fields; they are removed before validation.
    beside: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="before")
    @classmethod
    def _known_keys_alone(cls, content: Any) -> Any:
        """Report an unknown key before the missing key that it may be a misspelling of."""
        for key in content if isinstance(content, dict) else ():
            if key not in cls.model_fields:
                raise ValueError(f"{key}: {unknown_name('key', key, [*cls.model_fields, *cls.beside])}")
        return content
