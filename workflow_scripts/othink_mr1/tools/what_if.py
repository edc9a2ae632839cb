"""What a config change would run: Snakemake plans with and without the change, and both are shown."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from othink_mr1.config.changes import change_as_overlay
from othink_mr1.config.load import load_study
from othink_mr1.config.study import StudyConfig
from othink_mr1.cost.table import cost_table
from othink_mr1.errors import UserError

# Rule -> its part of `execution`, for the rules whose jobs may have a GPU.
_STAGES = {
    "pretrain_backbone": "pretrain",
    "train_sft": "train",
    "train_grpo": "train",
    "generate_answers": "generate",
}
_NAMED = ("pretrain_backbone", "train_sft", "train_grpo")

File = tuple[str, str]  # the rule that makes it, and its path


def what_if(overlays: Sequence[Path], changes: Sequence[str]) -> Iterator[str]:
    """What `snakemake all` would make now, or after the changes, and what that costs; as lines of text."""
    config = Path("config.yaml")  # Snakemake reads it too
    before = load_study([config, *overlays])
    now = _pending(overlays)
    if not changes:
        yield from _told("now", now, before)
        yield from _cost(now, before)
        return
    change = change_as_overlay(changes)
    study = load_study([config, *overlays], change)
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder) / "set.yaml"
        # Not ASCII: to YAML, JSON's two escapes of an emoji are two characters.
        overlay.write_text(json.dumps(change, ensure_ascii=False), encoding="utf-8")
        after = _pending([*overlays, overlay])
    yield from _told(f"only after {' '.join(changes)}", after - now, study)
    yield from _cost(after - now, study)
    yield from _told("no longer", now - after, study)


def whole_cost(overlays: Sequence[Path]) -> Iterator[str]:
    """What the whole study costs, whether its results are there or not. Snakemake is not asked."""
    yield from cost_table(load_study([Path("config.yaml"), *overlays]))


def _pending(overlays: Sequence[Path]) -> set[File]:
    """What Snakemake would make. UserError with Snakemake's message if planning fails."""
    command = [sys.executable, "-m", "snakemake", "all", "--summary"]
    if overlays:
        command += ["--configfile", *map(str, overlays)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = said[-1].removeprefix("error: ") if said else "it gave no reason"
        raise UserError(
            f"snakemake could not plan `all`: {reason}; `.venv/bin/snakemake -n all` shows the whole message"
        )
    rows = csv.DictReader(done.stdout.splitlines(), delimiter="\t")
    return {(row["rule"], row["output_file"]) for row in rows if row["plan"] == "update pending"}


def _told(when: str, files: set[File], study: StudyConfig) -> Iterator[str]:
    """How many files each rule would make, the trainings by name, and the most GPU-hours they may take."""
    counts = Counter(rule for rule, _ in files)
    yield f"{when}: {f'{len(files)} files' if files else 'nothing'}"
    hours = 0.0
    for rule, count in sorted(counts.items()):
        yield f"  {rule:<22} {count:>5}"
        if rule in _NAMED:
            yield from (f"    {Path(path).parent.name}" for name, path in sorted(files) if name == rule)
        if rule in _STAGES:
            asked = getattr(study.execution, _STAGES[rule])
            hours += count * asked.gpus * asked.nodes * asked.hours
    if hours:
        yield f"  at most {hours:,.0f} GPU-hours, as execution.*.hours allows them"


def _cost(files: set[File], study: StudyConfig) -> Iterator[str]:
    """What the jobs that make these files cost, and the whole study."""
    made = [Path(path).parent.relative_to(study.results) for rule, path in files if rule in _STAGES]
    yield ""
    yield from cost_table(study, {folder.as_posix() for folder in made})
    yield ""
