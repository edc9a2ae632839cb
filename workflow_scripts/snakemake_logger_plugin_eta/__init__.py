"""Logger plugin for Snakemake: says every minute how far the workflow is, and how long it still takes.

`PYTHONPATH=workflow_scripts snakemake --logger eta …`: Snakemake finds a plugin by its package's name. It
writes beside any other logger.
"""

from __future__ import annotations

import sys
import time
from logging import LogRecord

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from othink_mr1.tools.time_left import TimeLeft

SAY_EVERY_SECONDS = 60.0


class LogHandler(LogHandlerBase):  # type: ignore[misc]
    """What Snakemake loads."""

    writes_to_stream = False  # else Snakemake would allow no other logger that writes
    writes_to_file = False
    has_filter = True  # all events are wanted, whatever --quiet says
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self._left: TimeLeft | None = None
        self._said = time.monotonic()

    def emit(self, record: LogRecord) -> None:
        """Take in an event; after the end of a job, perhaps say something."""
        event, now = getattr(record, "event", None), time.monotonic()
        if event == LogEvent.RUN_INFO:
            jobs = {rule: count for rule, count in record.stats.items() if rule != "total"}  # type: ignore[attr-defined]
            self._left = TimeLeft(jobs, now)
        elif self._left is None:
            return
        elif event == LogEvent.JOB_INFO:  # not JOB_STARTED, which names a group instead of its jobs
            self._left.start(record.jobid, record.rule_name, now)  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_ERROR:
            self._left.fail(record.jobid)  # type: ignore[attr-defined]
        elif event == LogEvent.JOB_FINISHED:
            self._left.finish(record.job_id, now)  # type: ignore[attr-defined]
            if now - self._said >= SAY_EVERY_SECONDS:
                self._said = now
                clock = time.strftime("%H:%M")
                print(f"{clock}  {self._left.line(now)}", file=sys.stderr, flush=True)
