"""Snakemake in a forked process, without the seconds of its imports: where it plans and starts no job.

Snakemake's command line, the Snakefile and the config are the checkout's; the package is this repository's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import warm_python


@dataclass(frozen=True)
class DryJob:
    """A job as `-n` prints it, with files as in its output."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def run_forked(checkout: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """What `.venv/bin/snakemake` with these arguments does in a checkout."""
    socket = warm_python.server(("imported_by_dry_runs",)) / "socket"
    command = [str(Path(sys.executable).parent / "snakemake"), *arguments]
    with tempfile.TemporaryDirectory() as folder:
        # Its temporary files go here, as a fork ends without the functions that remove them.
        environment = os.environ | {"TMPDIR": folder}
        said = [Path(folder, "out"), Path(folder, "err")]
        with said[0].open("w") as out, said[1].open("w") as err:
            files = [0, out.fileno(), err.fileno()]
            code = warm_python.call(socket, command, str(checkout), environment, files)
        return subprocess.CompletedProcess(command, code, *(file.read_text() for file in said))


def dry_run(checkout: Path, *arguments: str) -> list[DryJob]:
    """The jobs except `all` that `snakemake -n` lists in a checkout; AssertionError if it fails."""
    done = run_forked(checkout, ["-n", *arguments])
    assert done.returncode == 0, done.stderr[-4000:]
    return parse_dry_run(done.stdout)


def parse_dry_run(text: str) -> list[DryJob]:
    """The jobs in what `snakemake -n` printed."""
    jobs: list[DryJob] = []
    rule, files = "", {"input": (), "output": ()}
    for line in [*text.splitlines(), ""]:
        head, _, rest = line.strip().partition(":")
        if head.startswith(("rule ", "localrule ")) and not rest:
            rule, files = head.split()[1], {"input": (), "output": ()}
        elif rule and head in files and line.startswith("    "):
            files[head] = tuple(rest.strip().replace(" (update)", "").split(", "))
        elif rule and not line.startswith("    "):
            if rule != "all":
                jobs.append(DryJob(rule, files["input"], files["output"]))
            rule = ""
    return jobs
