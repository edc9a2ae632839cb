"""Keeps tokens and passwords out of logs and messages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from othink_mr1.errors import UserError

HIDDEN = "***"
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+@")


def without_secrets(text: str) -> str:
    """The text without the hub token's value and without the user and password of addresses."""
    import huggingface_hub

    token = huggingface_hub.get_token()
    return _PASSWORD.sub(f"{HIDDEN}@", text.replace(token, HIDDEN) if token else text)


@contextmanager
def errors_without_secrets() -> Iterator[None]:
    """Pass UserErrors on with their secrets removed, as one line."""
    try:
        yield
    except UserError as error:
        raise UserError(" ".join(without_secrets(str(error)).split())) from None
