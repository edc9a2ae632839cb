"""Temporary files for what is too large for the memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from othink_mr1.errors import UserError, first_line


@contextmanager
def temporary_file_errors() -> Iterator[None]:
    """Turn a failed write to a temporary file into a UserError that says where it was and what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{tempfile.gettempdir()}: cannot keep images there ({first_line(error)}); make room, or set "
            "TMPDIR to another folder"
        ) from None
