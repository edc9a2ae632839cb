"""For all tests: what they start hears Ctrl-C."""

from __future__ import annotations

import signal

# Started in the background by a script (`pytest … &`), it ignores SIGINT, and its children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
