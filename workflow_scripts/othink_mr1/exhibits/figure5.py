"""Figure 5: format reward and accuracy reward over the training steps, for GRPO with α = 1 on geometry.

The paper does not say which run its curves are of; here it is table 1's GRPO (docs/deviations.md).
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from othink_mr1.exhibits.captions import labelled
from othink_mr1.exhibits.collected_tables import smoothed_share, smoothing_window
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.labels import METHODS, methods_line, task_label
from othink_mr1.exhibits.marks import HOLLOW, count_axis, per_backbone
from othink_mr1.exhibits.paper_numbers import paper_number
from othink_mr1.exhibits.theme import QUIET, SIZE, method_colour

_TASK = "geometry"
_REWARDS = ("format_reward", "accuracy_reward")
_PAPER, _PAPER_STEP = "format_reward_at_step_50", 50


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from reward_curves.csv."""
    curves = chosen_curves(inputs.reward_curves())
    chart, lines = per_backbone(curves, _chart)
    title = f"Rewards over training steps ({methods_line(curves.method)}, α = 1)"
    return Figure("Figure 5", title, chart, curves, lines)


def _chart(curves: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    panels = alt.hconcat(
        _panel(curves, "format_reward", "format reward"),
        _panel(curves, "accuracy_reward", "accuracy reward"),
        spacing=36,
    )
    return panels, _caption(curves)


def chosen_curves(frame: pd.DataFrame) -> pd.DataFrame:
    """GRPO with a constant KL weight and α = 1 on geometry: smoothed rewards, one row per setting and step.

    low, high: of several runs the lowest and the highest; of one run the 95 % interval of the smoothed
    reward, by the spread of the updates that it is the mean of.
    """
    rows = frame[(frame.task == _TASK) & (frame.kl_schedule == "constant") & (frame.format_weight == 1)]
    runs = [_smoothed(run.sort_values("step")) for _, run in rows.groupby("run", sort=False)]
    if not runs:
        return rows
    parts = []
    for _, of_setting in pd.concat(runs).groupby(["backbone", "method", "varied"], sort=False):
        seeds = ", ".join(dict.fromkeys(of_setting.seed))
        one = of_setting.run.nunique() == 1
        parts.append(
            of_setting.groupby("step", as_index=False)
            .agg(
                **{name: (name, "first") for name in ("backbone", "method", "varied", "kl_weight", "window")},
                runs=("run", "nunique"),
                **{reward: (reward, "mean") for reward in _REWARDS},
                **{f"{reward}_low": (f"{reward}_low" if one else reward, "min") for reward in _REWARDS},
                **{f"{reward}_high": (f"{reward}_high" if one else reward, "max") for reward in _REWARDS},
            )
            .assign(seeds=seeds)
        )
    return pd.concat(parts, ignore_index=True)


def _smoothed(run: pd.DataFrame) -> pd.DataFrame:
    window = smoothing_window(len(run))
    found = run.assign(window=window)
    for reward in _REWARDS:
        mean, low, high = smoothed_share(run[reward], window)
        found = found.assign(**{reward: mean, f"{reward}_low": low, f"{reward}_high": high})
    return found


def _panel(curves: pd.DataFrame, reward: str, title: str) -> AnyChart:
    curves = labelled(curves)
    colour: Any = alt.value(METHODS["grpo"].colour)
    if curves.label.nunique() > 1:
        colour = method_colour(curves.method)
    x = alt.X("step:Q", title="training step (optimiser updates)", axis=count_axis(6))
    scale = alt.Scale(domain=[0, 1], nice=False)  # rewards are 0..1; both panels have the same scale

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=title, scale=scale)

    base = alt.Chart(curves).encode(x=x, detail="label:N", color=colour)
    layers: list[alt.Chart] = [
        base.mark_area(opacity=0.22).encode(y=y(f"{reward}_low"), y2=f"{reward}_high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y(reward)),
    ]
    if reward == "format_reward" and curves.step.max() >= _PAPER_STEP:  # else it would compress the curve
        point = pd.DataFrame(
            {"step": [_PAPER_STEP], "value": [paper_number(quantity=_PAPER).value], "text": ["paper"]}
        )
        mark = alt.Chart(point).encode(x=x, y=y("value"))
        text = mark.mark_text(align="left", dx=11, fontSize=SIZE - 1, color=QUIET)
        layers += [mark.mark_point(**HOLLOW), text.encode(text="text:N")]
    return alt.layer(*layers).properties(width=340, height=230)


def _caption(curves: pd.DataFrame) -> list[str]:
    backbones = ", ".join(dict.fromkeys(curves.backbone))
    weights = ", ".join(f"{weight:g}" for weight in sorted(set(curves.kl_weight)))
    seeds = ", ".join(dict.fromkeys(curves.seeds))
    window = "–".join(map(str, sorted(set(curves.window))))
    runs = int(curves.runs.max())
    band = (
        "band: from the lowest run to the highest"
        if runs > 1
        else "band: 95 % interval by the spread of these updates"
    )
    paper = paper_number(quantity=_PAPER)
    return [
        f"ours: {backbones}, {task_label(_TASK)}, β = {weights}, n = {runs} "
        f"{'run' if runs == 1 else 'runs'}, seed {seeds}",
        f"line: the mean of the last {window} updates{' and of all runs' if runs > 1 else ''}; {band}",
        f"paper, for its own backbone, {paper.backbone}: the format reward "
        f"increases from 0.0 to {paper.printed} within the first {_PAPER_STEP} steps",
    ]
