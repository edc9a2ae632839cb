"""Run Snakemake's own command line in a forked process: a dry run without the seconds of its imports."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import snakemake.cli


@dataclass(frozen=True)
class DryJob:
    """A job as `-n` prints it; files as they are written there."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def dry_run(checkout: Path, *arguments: str, seconds: float = 60) -> list[DryJob]:
    """The jobs that `snakemake -n` lists in a checkout, but for `all`; AssertionError if it fails."""
    with tempfile.TemporaryFile("w+") as output:
        process = os.fork()
        if process == 0:
            _be_snakemake(checkout, ["-n", *arguments], output.fileno())
        status = _wait(process, seconds)
        output.seek(0)
        text = output.read()
    assert status == 0, text[-4000:]
    return parse_dry_run(text)


def parse_dry_run(text: str) -> list[DryJob]:
    """The jobs in what `snakemake -n` printed."""
    jobs: list[DryJob] = []
    rule, files = "", {"input": (), "output": ()}
    for line in [*text.splitlines(), ""]:
        head, _, rest = line.strip().partition(":")
        if head.startswith(("rule ", "localrule ")) and not rest:
            rule, files = head.split()[1], {"input": (), "output": ()}
        elif rule and head in files and line.startswith("    "):
            files[head] = tuple(rest.strip().split(", "))
        elif rule and not line.startswith("    "):
            if rule != "all":
                jobs.append(DryJob(rule, files["input"], files["output"]))
            rule = ""
    return jobs


def _be_snakemake(checkout: Path, arguments: Sequence[str], output: int) -> None:
    code = 1
    try:
        os.chdir(checkout)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        snakemake.cli.main(list(arguments))
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
        if isinstance(error.code, str):
            print(error.code)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(process: int, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    raise TimeoutError(f"snakemake -n took more than {seconds} s")
