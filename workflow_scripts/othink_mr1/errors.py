"""Errors that a user can mend, and how the command line programs report them."""

from __future__ import annotations

import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake in config, files or arguments. The message is one line: what, where, what to do."""


def first_line(error: Exception) -> str:
    """What a library's exception says, for a message of one line; the exception's name if it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def run_entry_point(main: Callable[[], None]) -> None:
    """Run a command line program; a UserError ends it with its message alone and exit code 1."""
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
