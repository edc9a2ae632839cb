"""Plan files: what an exhibit is made of, as an input of its rule.

An exhibit has a fixed name, so no path tells Snakemake that it is to be made of something else now. But the
results keep, in plans/, the plan that each exhibit was made of, with a digest of its text in its name. While
that is the current plan it is the input, whatever the times of files say. Otherwise the input is a temporary
file that is newer than any exhibit: so the exhibit is made again.
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
_NEWER_THAN_ANY_CLOCK = 2.0**31 - 1  # what every file system can hold


def plan_inputs(config: StudyConfig, newer: bool) -> Table[str]:
    """Exhibit -> its current plan file: the one that the results keep, or a temporary one.

    newer: let temporary ones be newer than any exhibit, to be made again.
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
    """Whether the exhibit of a plan file is made of it."""
    return Path(path).parent == Path(config.results) / "plans"


def let_plans_be_old(config: StudyConfig, plans: Mapping[str, str]) -> None:
    """To be called when all is planned: after a job Snakemake refuses inputs newer than its outputs."""
    for path in plans.values():
        if not is_kept(path, config):
            os.utime(path, (0, 0))


@contextmanager
def made_of(plan: Path | None, results: Path) -> Iterator[None]:
    """Around the writing of all files of an exhibit: when they are written the results keep its plan.

    In between they keep none: an exhibit of which only some files are new is made of nothing. A plan without
    a digest in its name is somebody's own, and not kept.
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
