"""A stream that tarfile may read forwards only, and only so much of it for each member's header."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from othink_mr1.data.raw_images.limits import refuse

# tarfile reads long names, attributes and lists of holes into memory, as large as they declare themselves.
LARGEST_HEADER = 2**20
BLOCK = 2**20


class BoundedStream:
    """Reads an unpacked tar archive forwards. UserError beyond a bound.

    largest: bytes that may come out of the archive at all.
    """

    def __init__(self, stream: BinaryIO, largest: int, path: Path) -> None:
        self._stream, self._largest, self._path = stream, largest, path
        self._position = 0
        self._header_left = LARGEST_HEADER

    def start_header(self) -> None:
        """Say that what tarfile reads from here on is the next member's header."""
        self._header_left = LARGEST_HEADER

    def read(self, size: int = -1) -> bytes:
        """What tarfile calls to read headers."""
        if not 0 <= size <= self._header_left:
            raise refuse(self._path, f"has a header above {LARGEST_HEADER} bytes")
        self._header_left -= size
        return self.take(size)

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end: a member's data."""
        self._position += size
        if self._position > self._largest:
            raise refuse(self._path, f"unpacks to more than {self._largest} bytes")
        return self._stream.read(size)

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def seek(self, position: int, whence: int = 0) -> int:
        """Skip forwards."""
        if whence != 0 or position < self._position:
            raise refuse(self._path, "has a member that points backwards")
        while self._position < position:
            if not self.take(min(BLOCK, position - self._position)):
                break
        return self._position
