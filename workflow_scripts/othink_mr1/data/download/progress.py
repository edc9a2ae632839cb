"""Progress lines of a download: what, how far, how fast, and how long still."""

from __future__ import annotations

import threading
import time
from typing import Any

from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

from othink_mr1.data.download.secrets import say
from othink_mr1.data.progress import EVERY


class ByteProgress:
    """Says now and then how many bytes came. total: bytes of all files that are still to come."""

    def __init__(self, what: str, total: int) -> None:
        self.what, self.total, self.came = what, total, 0
        self.started = self.said = time.monotonic()
        self._one_at_a_time = threading.Lock()

    def add(self, size: float) -> None:
        """So many more came; fewer than nothing if a file had to be begun anew."""
        with self._one_at_a_time:
            self.came += int(size)
            now = time.monotonic()
            if now - self.said >= EVERY:
                self.said = now
                rate = max(self.came, 1) / (now - self.started)
                left = max(0, self.total - self.came) / rate
                say(
                    f"download {self.what}: {self.came / 1e6:.1f} of {self.total / 1e6:.1f} MB, "
                    f"{rate / 1e6:.1f} MB/s, {left:.0f} s left"
                )


def bar_of(progress: ByteProgress) -> type[Any]:
    """What snapshot_download takes for a progress bar: it shows none, and passes the bytes on."""

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            # The library makes another for the same bytes as they are written, and one for the files.
            self.counts = options.get("desc") == "Downloading bytes"
            super().__init__(*arguments, **options | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            if self.counts:
                progress.add(n or 0)

    return Bar
