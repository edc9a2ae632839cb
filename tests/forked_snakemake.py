"""Run Snakemake's own command line in a forked process: a dry run without the seconds of its imports.

It is forked from a server with nothing else loaded, as pytest's own process has torch's threads by then.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SERVER = multiprocessing.get_context("forkserver")
# What Snakemake and the Snakefile import later, and take a fifth of a dry run for.
_LATER = ["snakemake.report.html_reporter", "smart_open", "snakemake_logger_plugin_rich.handler", "PIL.Image"]
_LATER += ["filelock", "ruamel.yaml", "requests"]
_SERVER.set_forkserver_preload(["__main__", "snakemake.cli", "pydantic", *_LATER])


@dataclass(frozen=True)
class DryJob:
    """A job as `-n` prints it, with files as in its output."""

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def dry_run(checkout: Path, *arguments: str, seconds: float = 120) -> list[DryJob]:
    """The jobs except `all` that `snakemake -n` lists in a checkout; AssertionError if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        output.touch()
        process = _SERVER.Process(target=_be_snakemake, args=(checkout, ["-n", *arguments], folder))
        process.start()
        process.join(seconds)
        if process.exitcode is None:
            process.kill()
        text = output.read_text()
    assert process.exitcode == 0, text[-4000:]
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
            files[head] = tuple(rest.strip().replace(" (update)", "").split(", "))
        elif rule and not line.startswith("    "):
            if rule != "all":
                jobs.append(DryJob(rule, files["input"], files["output"]))
            rule = ""
    return jobs


def _be_snakemake(checkout: Path, arguments: list[str], folder: str) -> None:
    os.chdir(checkout)
    tempfile.tempdir = folder  # a fork ends without the functions that remove temporary files
    stream = os.open(Path(folder, "output"), os.O_WRONLY)
    for number in (1, 2):
        os.dup2(stream, number)
    from snakemake.cli import main

    sys.argv[1:] = arguments  # as on a command line; the Snakefile reads it
    try:
        main(arguments)
    finally:
        sys.stdout.flush()
