"""runs.csv: every trained run with its settings, its cost and its last metrics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.exhibits.plans import RunsPlan
from othink_mr1.exhibits.reward_curves import read_metrics
from othink_mr1.plan.runs import varied_text

# Facts of a run's manifest that stand in columns of their own; one that a manifest lacks stays empty.
_FACTS = ("device", "wall_seconds", "gpu_hours", "made", "commit", "execution")
_FIRST = ("backbone", "run", "point", "method", "task", "seed")


def collect_runs(plan: RunsPlan, results: Path) -> pd.DataFrame:
    """One row per run: settings as flat columns, `final_<metric>` its last logged values.

    point: digest of all that the run's identity has but the seed; varied: settings in which the runs of its
    method and task differ. commit: of the code that finished the run, with + where files differed from it.
    gpu_hours and wall_seconds are the trainer's own; execution's settings are `execution.<key>`.
    """
    rows = []
    for entry in plan.runs:
        folder = results / entry.folder
        manifest = read_manifest(folder)
        last = read_metrics(folder).iloc[-1]
        # Column groups in the order of this list; within a group, in the order of their first run.
        groups = [
            {name: getattr(entry, name) for name in _FIRST} | {"varied": varied_text(entry.varied)},
            flat({name: manifest.get(name) for name in _FACTS}),
            flat(entry.settings),
            {f"final_{name}": value for name, value in last.items()},
        ]
        rows.append(groups)
    if not rows:
        return pd.DataFrame(columns=list(_FIRST))
    return pd.concat([pd.DataFrame([row[group] for row in rows]) for group in range(len(rows[0]))], axis=1)


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots; lists as text, separated by spaces."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = " ".join(map(str, value)) if isinstance(value, list) else value
    return found
