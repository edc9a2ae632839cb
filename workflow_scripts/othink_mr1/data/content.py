"""The content of a set as one number: the sha256 of its rows as they are read, whatever form they are in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from othink_mr1.data.row_to_example import RawRow


class Content:
    """Takes in rows one after the other; `sha256` is of those so far."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """64 hex digits."""
        return self._digest.hexdigest()

    def over(self, rows: Iterable[RawRow]) -> Iterator[RawRow]:
        """The rows, each taken in before it is given on."""
        for row in rows:
            texts = (row.question, row.solution, row.thinking)
            encoded = [None if text is None else text.encode("utf-8", "surrogateescape") for text in texts]
            for part in (row.image, *encoded):
                # With its length, so that no two rows of parts give the same bytes.
                self._digest.update(b"-" if part is None else len(part).to_bytes(8, "big"))
                self._digest.update(part or b"")
            yield row
