"""The workflow's programs: called in this process, as starting one takes seconds, or started."""

from __future__ import annotations

import gc
import importlib
import resource
import subprocess
import sys

import pytest

from othink_mr1.errors import run_entry_point
from repository import SCRIPTS


def run(script, *arguments):
    """Call an entry point in this process. Returns what it says on failure."""
    former = resource.getrlimit(resource.RLIMIT_DATA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [f"{script}.py", *map(str, arguments)])
        try:
            run_entry_point(importlib.import_module(script).main)
        except SystemExit as stop:
            return stop.code
        finally:
            # This process goes on, without the limit that a program may have set.
            gc.unfreeze()
            resource.setrlimit(resource.RLIMIT_DATA, former)
    return None


def program(script, *arguments, largest_file=resource.RLIM_INFINITY, **options):
    """Run an entry point in a process of its own. largest_file: bytes; it can write no larger one."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    command = [sys.executable, SCRIPTS / f"{script}.py", *map(str, arguments)]
    options = {"timeout": 120, "preexec_fn": limit} | options
    return subprocess.run(command, capture_output=True, text=True, **options)


def python(code, *arguments, **options):
    """Run Python code, which can import the package and the entry points, in a process of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    options = {"cwd": SCRIPTS, "timeout": 120} | options
    return subprocess.run(command, capture_output=True, text=True, **options)
