"""What planning a large study costs: ours beside plain Snakemake with as many trivial jobs.

    PYTHONPATH=workflow_scripts .venv/bin/python benchmarks/rerun_scale.py --runs 100 1000 5000 --rounds 2

Each study is one sweep over the KL weight with many seeds. Measured are `snakemake -n all` before anything is
there, a no-op with everything there, and a dry run for one run's manifest: seconds of CPU time, which other
programs disturb less than the clock's, and peak memory of the process; ours and plain in turns, the best
round of each. "Everything there" is empty files with the right names, and the plans.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from othink_mr1.config.load import load_study
from othink_mr1.plan.plan_files import plan_inputs

REPOSITORY = Path(__file__).parents[1]
POINTS = 50
PLAIN = """
N = {count}

rule all:
    input:
        expand("results/d/{{i}}/manifest.json", i=range(N)),

rule a:
    output: "results/a/{{i}}/manifest.json",
    shell: "touch {{output}}"

rule b:
    input: ancient("results/a/{{i}}/manifest.json"),
    output: "results/b/{{i}}/manifest.json",
    shell: "touch {{output}}"

rule c:
    input: ancient("results/b/{{i}}/manifest.json"),
    output: "results/c/{{i}}/manifest.json",
    shell: "touch {{output}}"

rule d:
    input: ancient("results/c/{{i}}/manifest.json"),
    output: "results/d/{{i}}/manifest.json",
    shell: "touch {{output}}"
"""


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    print("| runs | jobs | what | ours, s | plain, s | ratio | ours, MB | plain, MB |", flush=True)
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for runs in arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            for row in rows(Path(folder), runs, arguments.rounds):
                print(row, flush=True)


def rows(folder: Path, runs: int, rounds: int) -> Iterator[str]:
    """The table's rows for a number of runs."""
    ours, plain = folder / "ours", folder / "plain"
    config = write_study(ours, runs)
    jobs = planned(ours)
    write_plain(plain, len(jobs))
    one = next(outputs[0] for rule, outputs in jobs if rule == "train_grpo")
    cases = (
        ("`-n all`, nothing there", ["-n", "--quiet", "all"], ["-n", "--quiet", "all"], False),
        ("no-op", ["all"], ["all"], True),
        ("one target", ["-n", one], ["-n", "results/b/0/manifest.json"], True),
    )
    for name, our_arguments, plain_arguments, filled in cases:
        if filled:
            fill(ours, plain, config, jobs)
        measured: dict[Path, list[tuple[float, float]]] = {ours: [], plain: []}
        for _ in range(rounds):
            measured[ours].append(timed(ours, our_arguments))
            measured[plain].append(timed(plain, plain_arguments))
        (seconds, memory), (their_seconds, their_memory) = (min(measured[place]) for place in (ours, plain))
        yield (
            f"| {runs} | {len(jobs)} | {name} | {seconds:.1f} | {their_seconds:.1f} "
            f"| {seconds / their_seconds:.2f} | {memory:.0f} | {their_memory:.0f} |"
        )


def write_study(checkout: Path, runs: int) -> Any:
    """A checkout whose study is a sweep of so many runs; returns the config."""
    for part in ("Snakefile", "rules", "envs", "workflow_scripts", "profiles"):
        source = REPOSITORY / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        checkout.mkdir(parents=True, exist_ok=True)
        copy(source, checkout / part)
    content = YAML(typ="safe").load(REPOSITORY / "config.yaml")
    sweep = content["studies"]["kl_weight_sweep"]
    sweep["vary"] = {"kl_schedule.weight": [number / 1000 for number in range(POINTS)]}
    content |= {"studies": {"kl_weight_sweep": sweep}, "seeds": list(range(runs // POINTS))}
    for entry in (*content["sources"].values(), *content["backbones"].values()):
        if "revision" in entry:
            entry["revision"] = "f" * 40  # of a branch Snakemake would read the manifest
    (checkout / "config.yaml").write_text(json.dumps(content))
    return load_study([checkout / "config.yaml"])


def write_plain(folder: Path, jobs: int) -> None:
    """A workflow of as many jobs, in chains of four."""
    folder.mkdir()
    (folder / "Snakefile").write_text(PLAIN.format(count=jobs // 4))
    shutil.copytree(REPOSITORY / "profiles", folder / "profiles")


def planned(ours: Path) -> list[tuple[str, list[str]]]:
    """Rule and outputs of each job of an empty study, as a dry run prints them."""
    command = [str(Path(sys.executable).parent / "snakemake"), "-n", "all"]
    said = subprocess.run(command, cwd=ours, capture_output=True, text=True, check=True).stdout
    found = re.findall(r"^(?:local)?rule (\w+):\n(?:    input: .*\n)?    output: (.*)$", said, re.MULTILINE)
    return [(rule, outputs.replace(" (update)", "").split(", ")) for rule, outputs in found]


def fill(ours: Path, plain: Path, config: Any, jobs: list[tuple[str, list[str]]]) -> None:
    """Write every output, as an empty file; and the plans that the exhibits are made of."""
    with contextlib.chdir(ours):
        for plan in map(Path, plan_inputs(config, newer=False).values()):
            write(ours / "results" / "plans" / plan.name, plan.read_text())
    last = ("draw_figure", "make_table", "check_claims")
    for _, outputs in sorted(jobs, key=lambda job: job[0] in last):
        for file in outputs:
            write(ours / file, "")
    for rule in "abcd":
        for number in range(len(jobs) // 4):
            write(plain / "results" / rule / str(number) / "manifest.json", "")


def write(path: Path, text: str) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def timed(folder: Path, arguments: list[str]) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of Snakemake in a folder."""
    command = [str(Path(sys.executable).parent / "snakemake"), *arguments]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        output.seek(0)
        said = output.read().decode()
    if status != 0:
        sys.exit(f"{' '.join(command)} in {folder} failed:\n{said[-3000:]}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
