"""For all tests: which may run beside which, and that what they start hears Ctrl-C.

Of the slow tests those of one file, and all that need Slurm, follow each other.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Started in the background by a script (`pytest … &`), it ignores SIGINT, and its children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _ByFile(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "slurm" if file.startswith("tests/slurm/") else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """For `--dist loadscope`. xdist 3.8 has groups (`loadgroup`), but with pytest 9.2 they have no effect."""
    return _ByFile(config, log) if config.getoption("dist") == "loadscope" else None
