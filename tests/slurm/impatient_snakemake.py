"""Snakemake's own command line, whose executor asks Slurm every second how the jobs are.

By itself the plugin's pauses grow by 10 seconds each time that no job has ended: minutes of these tests. The
rest is what a user starts.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

SECONDS = float(os.environ.get("PAUSE_SECONDS", "1"))
ASKED = Path(".snakemake/asked")  # written when Slurm has been asked, SECONDS before it is asked again


def between_checks(executor: RemoteExecutor) -> float:
    ASKED.touch()
    return SECONDS


if __name__ == "__main__":
    RemoteExecutor.next_seconds_between_status_checks = property(between_checks, lambda _, seconds: None)
    sys.exit(main())
