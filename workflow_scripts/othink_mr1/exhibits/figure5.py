"""Figure 5: format reward and accuracy reward over the training steps, for GRPO with α = 1 on geometry.

The paper does not say which run its curves are of; here it is table 1's GRPO (docs/deviations.md).
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from othink_mr1.exhibits.collected_tables import smoothed, smoothing_window
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.marks import HOLLOW, labelled, per_backbone, titled
from othink_mr1.exhibits.paper_numbers import paper_number
from othink_mr1.exhibits.theme import METHODS, QUIET, SIZE, method_colour, task_label

_TITLE = "Figure 5 · Rewards over training steps (GRPO, α = 1)"
_TASK = "geometry"
_PAPER, _PAPER_STEP = "format_reward_at_step_50", 50


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from reward_curves.csv."""
    curves = chosen_curves(inputs.reward_curves())
    return Figure(per_backbone(_TITLE, curves, _chart), curves)


def _chart(curves: pd.DataFrame) -> AnyChart:
    panels = alt.hconcat(
        _panel(curves, "format_reward", "format reward"),
        _panel(curves, "accuracy_reward", "accuracy reward"),
        spacing=36,
    )
    return panels.properties(title=titled(_TITLE, _caption(curves), 760))


def chosen_curves(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of GRPO with a constant KL weight and α = 1 on geometry, with smoothed rewards per run."""
    rows = frame[(frame.task == _TASK) & (frame.kl_schedule == "constant") & (frame.format_weight == 1)]
    parts = []
    for _, run in rows.groupby("run", sort=False):
        run = run.sort_values("step")
        window = smoothing_window(len(run))
        parts.append(
            run.assign(
                window=window,
                format_reward_smoothed=smoothed(run.format_reward, window),
                accuracy_reward_smoothed=smoothed(run.accuracy_reward, window),
            )
        )
    return (
        pd.concat(parts)
        if parts
        else rows.assign(window=1, format_reward_smoothed=0.0, accuracy_reward_smoothed=0.0)
    )


def _panel(curves: pd.DataFrame, reward: str, title: str) -> AnyChart:
    curves = labelled(curves)
    colour: Any = alt.value(METHODS["grpo"].colour)
    if curves.label.nunique() > 1:
        colour = method_colour(curves.method)
    x = alt.X("step:Q", title="training step (optimiser updates)", axis=alt.Axis(format="~s", tickCount=6))
    scale = alt.Scale(domain=[0, 1.04], nice=False)  # rewards are 0..1; both panels have the same scale

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=title, scale=scale)

    base = alt.Chart(curves).encode(x=x, detail="run:N", color=colour)
    layers: list[alt.Chart] = [
        base.mark_line(strokeWidth=0.8, opacity=0.35).encode(y=y(reward)),
        base.mark_line(strokeWidth=2.2).encode(y=y(f"{reward}_smoothed")),
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
    seeds = ", ".join(sorted(set(curves.seed)))
    window = "–".join(map(str, sorted(set(curves.window))))
    paper = paper_number(quantity=_PAPER)
    return [
        f"ours: {backbones}, {task_label(_TASK)}, β = {weights}, seed {seeds}",
        f"thin: mean over an update's completions; thick: mean of the last {window} updates",
        f"paper, for its own backbone, {paper.backbone}: the format reward "
        f"increases from 0.0 to {paper.printed} within the first {_PAPER_STEP} steps",
    ]
