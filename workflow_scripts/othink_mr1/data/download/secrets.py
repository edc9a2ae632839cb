"""Keeps tokens and passwords out of logs and messages."""

from __future__ import annotations

import re
import sys
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


def one_line(text: str) -> str:
    """The text without secrets, on one line: servers choose the names of files and what their errors say."""
    return " ".join(without_secrets(text).split())


def say(text: str) -> None:
    """A line for the log. All lines about downloads go through here."""
    print(one_line(text), file=sys.stderr, flush=True)


@contextmanager
def errors_without_secrets() -> Iterator[None]:
    """Pass UserErrors on with their secrets removed, as one line."""
    try:
        yield
    except UserError as error:
        raise UserError(one_line(str(error))) from None
