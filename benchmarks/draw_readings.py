"""Draw β(s) of the four readings of eq. 3 (studies/readings.yaml) for docs/fidelity.md; print their means.

python -m benchmarks.draw_readings, with workflow_scripts on PYTHONPATH.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd

from othink_mr1.exhibits import theme  # noqa: F401  (registers the look)
from othink_mr1.study.load_config import load_study
from othink_mr1.study.methods import GRPO
from othink_mr1.study.runs import grid_runs
from othink_mr1.training.kl_schedule import kl_weight
from othink_mr1.training.learning_rate import learning_rate_factor

ROOT = Path(__file__).parents[1]
READINGS = {
    "grpo-d": "A: middle, minimum, maximum (ours)",
    "grpo-d-printed": "B: as printed",
    "grpo-d-prose": "C: the prose",
    "grpo-d-line": "D: A without exploration",
}


def readings() -> dict[str, GRPO]:
    """Method -> its settings on geometry."""
    config = load_study([ROOT / "config.yaml", ROOT / "studies/readings.yaml"])
    return {run.method: run.settings for run in grid_runs(config, "readings") if run.method in READINGS}


def curve(settings: GRPO) -> np.ndarray:
    """β at each update, [steps]."""
    steps = range(1, settings.steps + 1)
    return np.array([kl_weight(settings.kl_schedule, step, settings.steps) for step in steps])


def weighted_mean(settings: GRPO) -> float:
    """The mean of β(s), each weighted by its learning rate."""
    rates = [
        learning_rate_factor(settings.learning_rate_schedule, settings.warmup_fraction, step, settings.steps)
        for step in range(1, settings.steps + 1)
    ]
    return float(np.average(curve(settings), weights=rates))


def main() -> None:
    """Print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stem", type=Path, default=ROOT / "docs/images/readings")
    stem = parser.parse_args().stem
    frames = []
    print(
        "| reading | β(1) | β(w) | β(t) | mean | weighted by the learning rate |\n|---|---|---|---|---|---|"
    )
    for method, settings in readings().items():
        values = curve(settings)
        cells = [values[0], values[250], values[-1], values.mean(), weighted_mean(settings)]
        print(f"| {READINGS[method]} | {' | '.join(f'{value:.4f}' for value in cells)} |")
        frames.append(
            pd.DataFrame({"step": range(1, len(values) + 1), "β": values, "reading": READINGS[method]})
        )
    names = list(READINGS.values())
    colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]
    chart = (
        alt.Chart(pd.concat(frames))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("step:Q", title="optimiser update, s", scale=alt.Scale(domain=[0, 1004], nice=False)),
            y=alt.Y("β:Q", title="KL weight, β(s)"),
            color=alt.Color(
                "reading:N",
                title=None,
                scale=alt.Scale(domain=names, range=colours),
                legend=alt.Legend(columns=2),
            ),
            strokeDash=alt.StrokeDash(
                "reading:N",
                title=None,
                scale=alt.Scale(domain=names, range=[[1, 0], [6, 3], [2, 2], [8, 2, 2, 2]]),
            ),
        )
        .properties(width=480, height=240, title="Four readings of equation 3 (geometry: t = 1,004, w = 251)")
    )
    stem.parent.mkdir(parents=True, exist_ok=True)
    chart.save(stem.with_suffix(".svg"))
    chart.save(stem.with_suffix(".png"), ppi=144)


if __name__ == "__main__":
    main()
