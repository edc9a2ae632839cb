"""Figure 1: test accuracy of SFT and GRPO over the training steps, on geometry reasoning.

The paper prints no values of its curves; the hollow marks are table 1's final accuracies.
"""

from __future__ import annotations

from functools import partial

import altair as alt
import pandas as pd

from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import pooled, single_seeds
from othink_mr1.exhibits.marks import (
    HOLLOW,
    caption,
    domain_of,
    intervals,
    labelled,
    paper_line,
    per_backbone,
    percent,
    titled,
    with_paper,
)
from othink_mr1.exhibits.theme import method_colour, method_shape, task_label

_TITLE = "Figure 1 · Test accuracy over training steps"


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from learning_curves.csv."""
    frame = curve_points(inputs.study("learning_curves"))
    return Figure(per_backbone(_TITLE, frame, _chart), frame)


def _chart(frame: pd.DataFrame) -> AnyChart:
    named = labelled(frame)
    ours, paper = pooled(named), with_paper(named)
    tasks = ", ".join(task_label(task) for task in dict.fromkeys(frame.tested_on))
    domain = domain_of(ours.r1v_high, paper.paper_accuracy, from_zero=True)
    y = partial(percent, title=f"accuracy, {tasks}", domain=domain)
    x_axis = alt.Axis(format="~s", tickCount=6)
    x = alt.X(
        "at_step:Q", title="training step (optimiser updates)", axis=x_axis, scale=alt.Scale(nice=False)
    )
    legend = alt.Legend(symbolOpacity=1)  # not the bands' opacity
    colour, shape = method_colour(ours.method).legend(legend), method_shape(ours.method).legend(legend)
    base = alt.Chart(ours).encode(x=x, color=colour)
    layers: list[alt.Chart] = [
        base.mark_area(opacity=0.16).encode(y=y("r1v_low"), y2="r1v_high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y("r1v_accuracy")),
        base.mark_point(filled=True, size=75, opacity=1).encode(y=y("r1v_accuracy"), shape=shape),
    ]
    seeds = single_seeds(named)
    if len(seeds):
        dots = alt.Chart(seeds).mark_circle(size=16, opacity=0.6)
        layers.append(dots.encode(x=x, y=y("r1v_accuracy"), color=colour))
    if len(paper):
        marks = {key: value for key, value in HOLLOW.items() if key != "stroke"}
        hollow = alt.Chart(paper).mark_point(**marks).encode(x=x, y=y("paper_accuracy"))
        layers.append(hollow.encode(stroke=alt.Stroke("label:N", scale=colour["scale"], legend=None)))
    lines = caption(
        frame, f"bands: {intervals(frame)}", paper_line(frame, "the paper's final values (its table 1)")
    )
    return alt.layer(*layers).properties(width=540, height=300, title=titled(_TITLE, lines, 580))


def curve_points(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of trained methods with their step in `at_step`; every curve starts at the untrained backbone.

    A final checkpoint's step is the length of its run.
    """
    frame = frame.assign(at_step=frame["step"].fillna(frame["steps"]).astype("float64"))
    trained, base = frame[frame.method != "base"], frame[frame.method == "base"]
    starts = []
    curve = ["backbone", "method", "varied", "trained_on", "tested_on"]
    for (backbone, method, varied, trained_on, tested_on), _ in trained.groupby(curve, sort=False):
        start = base[(base.backbone == backbone) & (base.tested_on == tested_on)]
        start = start.assign(method=str(method), varied=str(varied), trained_on=str(trained_on))
        starts.append(start.assign(at_step=0.0, step=0.0, paper_accuracy=float("nan")))
    points = pd.concat([*starts, trained], ignore_index=True)
    return points.sort_values([*curve, "seed", "at_step"], kind="stable", ignore_index=True)
