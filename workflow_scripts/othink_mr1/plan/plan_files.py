"""Plan files: a list of an exhibit's inputs, which is itself an input of the exhibit's rule.

An exhibit has a fixed name, so no path tells Snakemake that its inputs have changed. But the results folder
keeps in plans/ the plan from which each exhibit was made, with a digest of its text in its name. While that
is the current plan, it is the input, and file times do not matter. Otherwise the input is a temporary file
that is newer than any exhibit, so the exhibit is made again.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.config.study import StudyConfig
from othink_mr1.plan.exhibits import all_plans
from othink_mr1.plan.identity import DIGEST_LENGTH, canonical, digest
from othink_mr1.plan.tables import Table

_NAME = re.compile(rf".+-[0-9a-f]{{{DIGEST_LENGTH}}}\.json")
_NEWER_THAN_ANY_CLOCK = 2.0**31 - 1  # the latest time that every file system can store


def plan_inputs(config: StudyConfig, newer: bool) -> Table[str]:
    """Exhibit -> its current plan file: the one in the results folder, or a temporary one.

    newer: make temporary ones newer than any exhibit, so that their exhibits are made again.
    """
    found: Table[str] = Table()
    staging: Path | None = None
    for exhibit, plan in all_plans(config).items():
        name, text = f"{exhibit}-{digest(plan)}.json", canonical(plan)
        path = Path(config.results) / "plans" / name
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
            if staging is None:
                staging = Path(tempfile.mkdtemp(prefix="plans-"))
                atexit.register(shutil.rmtree, staging, ignore_errors=True)
            path = staging / name
            path.write_text(text, encoding="utf-8")
            if newer:
                os.utime(path, (_NEWER_THAN_ANY_CLOCK, _NEWER_THAN_ANY_CLOCK))
        found[exhibit] = str(path)
    return found


def is_kept(path: str, config: StudyConfig) -> bool:
    """Whether the plan file is in the results folder: its exhibit was made from it."""
    return Path(path).parent == Path(config.results) / "plans"


def let_plans_be_old(config: StudyConfig, plans: Mapping[str, str]) -> None:
    """Call it after planning: when a job ends, Snakemake refuses inputs that are newer than its outputs."""
    for path in plans.values():
        if not is_kept(path, config):
            os.utime(path, (0, 0))


@contextmanager
def made_of(plan: Path | None, results: Path) -> Iterator[None]:
    """Wrap the writing of all files of an exhibit; afterwards, store its plan in the results folder.

    During the writing no plan is stored, so an exhibit with only some new files counts as not made. A plan
    without a digest in its name is the user's own and is not stored.
    """
    if plan is None or not _NAME.fullmatch(plan.name):
        yield
        return
    text = plan.read_text(encoding="utf-8")
    exhibit = plan.stem.rpartition("-")[0]
    for former in (results / "plans").glob("*.json"):
        if former.stem.rpartition("-")[0] == exhibit:
            former.unlink()
    yield
    write_text(results / "plans" / plan.name, text)
