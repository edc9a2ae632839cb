"""Methods, each with the best of its candidate settings: accuracies, KL, differences from the baseline.

The setting of each method is chosen per training task, by mean accuracy on the validation items with the
seeds of the choice. Everything else is of the comparison's own seeds and of test items (docs/statistics.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t
from statsmodels.stats.multitest import multipletests

from othink_mr1.exhibits.accuracy_intervals import SEEDS_FOR_A_SPREAD, mean_accuracy
from othink_mr1.exhibits.chance_of_best import chance_of_best
from othink_mr1.exhibits.collected_tables import read_metrics
from othink_mr1.exhibits.frames import COMPARISON_COLUMNS
from othink_mr1.exhibits.paired_comparisons import compare
from othink_mr1.exhibits.plans import ComparisonPlan
from othink_mr1.exhibits.read_points import StudyPoint, read_points
from othink_mr1.plan.runs import varied_text

KL_SHARE = 10  # the KL reached is the mean of the last tenth of the updates


@dataclass(frozen=True)
class Contestant:
    """A method with the setting that was chosen for a training task.

    validation: the mean accuracy by which it was chosen. candidates: how many there were.
    tested: tested task -> its point.
    """

    backbone: str
    method: str
    trained_on: str
    setting: str
    validation: float
    candidates: int
    tested: dict[str, StudyPoint]

    @property
    def runs(self) -> list[str]:
        return [entry.run for entry in next(iter(self.tested.values())).entries]


def contestants(points: Sequence[StudyPoint], plan: ComparisonPlan) -> list[Contestant]:
    """One per backbone, training task and method, in the study's order. Of equals, the first is chosen."""
    found: dict[tuple[str, str, str], dict[str, dict[str, StudyPoint]]] = {}
    for point in points:
        entry = point.entries[0]
        if entry.trained_on is not None and entry.seed is not None:
            settings = found.setdefault((entry.backbone, entry.trained_on, entry.method), {})
            settings.setdefault(varied_text(entry.varied), {})[entry.tested_on] = point
    result = []
    for (backbone, task, method), settings in found.items():
        on_validation = plan.tasks[task].validation
        candidates = {
            setting: float(tested[on_validation].scores().r1v_correct.mean())
            for setting, tested in settings.items()
        }
        chosen = max(candidates, key=candidates.__getitem__)
        tested = {name: point for name, point in settings[chosen].items() if name != on_validation}
        result.append(Contestant(backbone, method, task, chosen, candidates[chosen], len(candidates), tested))
    return result


def compare_methods(plan: ComparisonPlan, results: Path) -> tuple[pd.DataFrame, list[Contestant]]:
    """The frame, with COMPARISON_COLUMNS, and the methods as they were compared.

    One row per training task, method and tested task; the untrained backbone's have no training task. p_holm
    is corrected for all rows with a p. UserError as in read_points, or if a run's metrics are damaged.
    """
    points = read_points(plan.study, results)
    found = contestants(points, plan)
    rows = [_untrained(point) for point in points if point.entries[0].seed is None]
    for backbone, task in dict.fromkeys((one.backbone, one.trained_on) for one in found):
        field = [one for one in found if (one.backbone, one.trained_on) == (backbone, task)]
        rows += _rows_of_task(field, plan, results)
    frame = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS)).assign(note=plan.note)
    has_p = frame.p.notna()
    if has_p.any():
        frame.loc[has_p, "p_holm"] = multipletests(frame.p[has_p].astype(float), method="holm")[1]
    return frame.astype({"own_task": "Int64", "seeds": "Int64", "items": "Int64"}), found


def _rows_of_task(field: Sequence[Contestant], plan: ComparisonPlan, results: Path) -> list[dict[str, Any]]:
    baseline = next(one for one in field if one.method == plan.baseline)
    best = {task: chance_of_best([one.tested[task].scores() for one in field]) for task in baseline.tested}
    rows = []
    for place, one in enumerate(field):
        about = {
            "backbone": one.backbone,
            "trained_on": one.trained_on,
            "method": one.method,
            "setting": one.setting,
            "candidates": one.candidates,
            "validation_accuracy": one.validation,
            "runs": " ".join(one.runs),
            **_kl_reached(one.runs, results),
        }
        for task, point in one.tested.items():
            row = about | _accuracies(point) | {"chance_of_best": best[task][place]}
            row |= {"tested_on": task, "own_task": int(task == plan.tasks[one.trained_on].own)}
            if one is not baseline:
                against = compare(point.scores(), baseline.tested[task].scores())
                row |= {
                    "difference": against.difference,
                    "difference_low": against.low,
                    "difference_high": against.high,
                    "p": against.p,
                    "detectable_difference": against.detectable,
                }
            rows.append(row)
    return rows


def _untrained(point: StudyPoint) -> dict[str, Any]:
    entry = point.entries[0]
    about = {"backbone": entry.backbone, "trained_on": "", "method": entry.method, "setting": "", "runs": ""}
    return about | {"tested_on": entry.tested_on} | _accuracies(point) | {"seeds": 0}


def _accuracies(point: StudyPoint) -> dict[str, Any]:
    scores = point.scores()
    mean = mean_accuracy(scores.r1v_correct, scores.pictures)
    of_seeds = scores.r1v_correct.mean(axis=1)
    return {
        "seeds": len(scores.seeds),
        "items": len(scores.items),
        "r1v_accuracy": mean.value,
        "r1v_low": mean.low,
        "r1v_high": mean.high,
        "r1v_minimum": float(of_seeds.min()),
        "r1v_maximum": float(of_seeds.max()),
        "exact_accuracy": float(scores.exact_correct.mean()),
    }


def _kl_reached(runs: Sequence[str], results: Path) -> dict[str, float]:
    """The mean over the runs, and its 95 % interval (t) if they are enough; empty if a run measured none."""
    reached = []
    for run in runs:
        metrics = read_metrics(results / "runs" / run)
        if "kl" not in metrics:  # SFT has none
            return {}
        kl = metrics.kl
        reached.append(float(kl.tail(max(1, len(kl) // KL_SHARE)).mean()))
    if not np.isfinite(reached).all():
        return {}
    mean = float(np.mean(reached))
    if len(reached) < SEEDS_FOR_A_SPREAD:
        return {"kl": mean}
    half = float(t.isf(0.025, len(reached) - 1) * np.std(reached, ddof=1) / len(reached) ** 0.5)
    return {"kl": mean, "kl_low": mean - half, "kl_high": mean + half}
