"""What the trainings of GRPO did: the KL weight β applied, KL, completion length, groups without variance."""

from __future__ import annotations

import altair as alt
import pandas as pd

from othink_mr1.exhibits.collected_tables import smoothed, smoothing_window
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import by_setting
from othink_mr1.exhibits.labels import method_label, methods_line, task_label
from othink_mr1.exhibits.marks import count_axis, per_backbone
from othink_mr1.exhibits.theme import method_colour

# Column of reward_curves.csv -> its axis.
_ROWS = {
    "kl_weight": "KL weight β applied",
    "kl": "KL to the reference (nats)",
    "completion_tokens": "completion length (tokens)",
    "zero_std_fraction": "groups without variance",
}


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from reward_curves.csv."""
    curves = smoothed_curves(inputs.reward_curves())
    chart, lines = per_backbone(curves, _chart)
    return Figure("", f"The trainings of {methods_line(curves.method)}", chart, curves, lines)


def smoothed_curves(frame: pd.DataFrame) -> pd.DataFrame:
    """Per run and step, the mean of the last twentieth of the run's updates; β is as applied."""
    columns = [column for column in _ROWS if column in frame]
    parts = []
    for _, run in frame.groupby("run", sort=False):
        run = run.sort_values("step")
        window = smoothing_window(len(run))
        means = {column: smoothed(run[column], window) for column in columns if column != "kl_weight"}
        parts.append(run.assign(window=window, **means))
    kept = ["backbone", "run", "method", "varied", "task", "seed", "step", "window", *columns]
    return (pd.concat(parts) if parts else frame.assign(window=1))[kept]


def _chart(curves: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    curves = by_setting(curves)
    curves = curves.assign(label=[method_label(method) for method in curves.method])
    tasks = list(dict.fromkeys(curves.task))
    rows = []
    for place, (column, title) in enumerate((name, _ROWS[name]) for name in _ROWS if name in curves):
        panels = []
        for task in tasks:
            of = curves[curves.task == task]
            x = alt.X("step:Q", title="training step", axis=count_axis(5))
            y = alt.Y(f"{column}:Q", title=title if task == tasks[0] else None, axis=alt.Axis(tickCount=5))
            line = alt.Chart(of).mark_line(strokeWidth=1.6)
            line = line.encode(x=x, y=y, color=method_colour(curves.method), detail="run:N")
            name = task_label(task) if place == 0 else ""
            panels.append(line.properties(width=300, height=130, title=name))
        rows.append(alt.hconcat(*panels, spacing=30).resolve_scale(y="shared"))
    windows = "–".join(map(str, sorted(set(curves.window))))
    runs = curves.run.nunique()
    line = f"{runs} {'run' if runs == 1 else 'runs'}, one line each; means of the last {windows} updates"
    return alt.vconcat(*rows, spacing=18), [
        line,
        "β is as applied, not a mean",
        "nat: KL in natural logarithms",
    ]
