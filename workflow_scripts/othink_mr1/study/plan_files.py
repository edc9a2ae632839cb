"""Plan files: by their age Snakemake sees which exhibits were made of something else than is asked for.

Each exhibit has a copy of the plan that it was made of, its record (made_of/). Where the record is the plan,
the plan file is older than anything; where it is not, newer than the exhibit. So an exhibit is made again for
what it is made of alone, whatever clocks, copies and touches did to the files' times.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.atomic_files import write_text
from othink_mr1.plan.exhibits import all_plans
from othink_mr1.plan.identity import canonical
from othink_mr1.study.jobs import exhibit_outputs
from othink_mr1.study.workflow import Study, ending_on_mistakes

_OLDER_THAN_ANYTHING = 0.0


def write_plans(study: Study) -> None:
    """Write the plan files of all exhibits, where they change. A failure to write one ends the process."""
    results = Path(study.config.results)
    outputs = exhibit_outputs(study)
    with ending_on_mistakes(results):
        for exhibit, plan in all_plans(study.config).items():
            write_plan(results, exhibit, plan, outputs[exhibit])


def write_plan(results: Path, exhibit: str, plan: Mapping[str, Any], outputs: Sequence[str]) -> None:
    """Let the plan file hold the plan, and be older than the exhibit exactly if that was made of it.

    outputs: files of the exhibit, relative to the results root; they need not exist.
    """
    path = plan_file(results, exhibit)
    current = record_of(results, exhibit) == plan
    newest = max((_time(results / output) for output in outputs), default=0.0)
    is_right = _time(path) == _OLDER_THAN_ANYTHING if current else _time(path) > newest
    if not is_right or _content(path) != plan:
        # Written anew even for its time alone, which only a file's owner may set.
        write_text(path, canonical(plan))
        then = _OLDER_THAN_ANYTHING if current else max(time.time(), newest + 1)
        os.utime(path, (then, then))


def plan_file(results: Path, exhibit: str) -> Path:
    """The plan of an exhibit."""
    return results / "plans" / f"{exhibit}.json"


def record_of(results: Path, exhibit: str) -> Any:
    """The plan that an exhibit was made of; None if it has no readable record."""
    return _content(results / "made_of" / f"{exhibit}.json")


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return None  # damaged: as good as absent, it is written anew


def _time(path: Path) -> float:
    """When a file was written last, in seconds; -1 if there is none."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return -1.0
