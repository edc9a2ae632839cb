"""An unnamed temporary file for images out of archives that can only be read from front to end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable

from othink_mr1.errors import UserError

LARGEST_SPOOL = 4 * 2**30  # bytes; the 200 test images of SuperCLEVR have about 60 MB


class Spool:
    """Keeps bytes on disk, under no name. Use it as a context manager."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        self._end = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, data: bytes) -> Callable[[], bytes]:
        """Keep data; returns the function that reads it again. UserError if there is no room."""
        start, size = self._end, len(data)
        if start + size > LARGEST_SPOOL:
            raise UserError(
                f"the images asked for take more than {LARGEST_SPOOL} bytes; is it the right archive?"
            )
        try:
            self._file.seek(start)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: cannot keep images there ({error.strerror}); make room, or set "
                "TMPDIR to another folder"
            ) from None
        self._end += size
        return lambda: self._read(start, size)

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)
