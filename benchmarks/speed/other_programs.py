"""How much of the machine other programs take while something is timed."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
# Fields of /proc/stat's first line: user nice system idle iowait irq softirq steal. Idle and iowait are rest.
_BUSY = (0, 1, 2, 5, 6, 7)


def others_seconds() -> float:
    """Processor seconds that all other programs (and the host: steal) have taken; only differences count."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    busy = sum(int(fields[index]) for index in _BUSY) / _TICKS_PER_SECOND
    own = os.times()
    return busy - own.user - own.system
