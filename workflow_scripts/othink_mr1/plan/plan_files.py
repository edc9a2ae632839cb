"""Plan files: what an exhibit is made of, as an input of its rule.

An exhibit has a fixed name, so no path tells Snakemake that it is to be made of something else now. A plan
file has the digest of its text in its name. While the plan that the results keep is the current one, that is
the input. Otherwise it is a file in .snakemake/, newer than any exhibit: so the exhibit is made again. The
results keep it, in place of the former one, when work begins; -n writes nothing there.
"""

from __future__ import annotations

import os
from pathlib import Path

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.config.study import StudyConfig
from othink_mr1.plan.exhibits import all_plans
from othink_mr1.plan.identity import canonical, digest
from othink_mr1.plan.tables import Table

_NEW = Path(".snakemake/plans")
_NEWER_THAN_ANY_CLOCK = 2.0**33


def plan_inputs(config: StudyConfig) -> Table[str]:
    """Exhibit -> its current plan file: the one that the results keep, or a new one."""
    found: Table[str] = Table()
    for exhibit, plan in all_plans(config).items():
        name, text = f"{exhibit}-{digest(plan)}.json", canonical(plan)
        path = Path(config.results) / "plans" / name
        if not _holds(path, text):
            path = _NEW / name
            write_text(path, text)
            os.utime(path, (_NEWER_THAN_ANY_CLOCK, _NEWER_THAN_ANY_CLOCK))
        found[exhibit] = str(path)
    return found


def keep_plans(config: StudyConfig, plans: Table[str]) -> None:
    """Let the results keep the new plan files. To be called before the first job."""
    folder = Path(config.results) / "plans"
    for exhibit, path in plans.items():
        if Path(path).parent == _NEW:
            for former in folder.glob("*.json"):
                if former.stem.rpartition("-")[0] == exhibit:
                    former.unlink()
            write_text(folder / Path(path).name, Path(path).read_text(encoding="utf-8"))
            os.utime(path)  # after a job Snakemake refuses inputs that are newer than the outputs


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8", errors="replace") == text
