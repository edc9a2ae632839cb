"""Figure 1: test accuracy of SFT and GRPO over the training steps, on geometry reasoning.

The paper prints no values of its curves; the hollow marks are table 1's final accuracies.
"""

from __future__ import annotations

from functools import partial

import altair as alt
import pandas as pd

from othink_mr1.exhibits.captions import caption, intervals, labelled, paper_line, with_paper
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import pooled, single_seeds
from othink_mr1.exhibits.labels import method_label, task_label
from othink_mr1.exhibits.marks import count_axis, domain_of, paper_layers, per_backbone, percent
from othink_mr1.exhibits.theme import method_colour, method_shape

_TITLE = "Test accuracy over training steps"


def draw(inputs: FigureInputs) -> Figure:
    """Draw it from learning_curves.csv."""
    frame = curve_points(inputs.study("learning_curves"))
    chart, caption_lines = per_backbone(frame, _chart)
    return Figure("Figure 1", _TITLE, chart, frame, caption_lines)


def _chart(frame: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    named = labelled(frame)
    ours, paper = pooled(named), with_paper(named)
    start = (
        ours[ours.at_step == 0].drop_duplicates("tested_on").assign(method="base", label=method_label("base"))
    )
    tasks = ", ".join(task_label(task) for task in dict.fromkeys(frame.tested_on))
    domain = domain_of(ours.r1v_high, paper.paper_accuracy, paper.paper_high, from_zero=True)
    y = partial(percent, title=f"accuracy, {tasks}", domain=domain)
    # Room at the end for the paper's marks.
    scale = alt.Scale(domain=[0, 1.08 * float(ours.at_step.max())], nice=False)
    x = alt.X("at_step:Q", title="training step (optimiser updates)", axis=count_axis(6), scale=scale)
    legend = alt.Legend(symbolOpacity=1)  # not the bands' opacity
    methods = [*ours.method, "base"]
    colour, shape = method_colour(methods).legend(legend), method_shape(methods).legend(legend)
    base = alt.Chart(ours).encode(x=x, color=colour)
    untrained = alt.Chart(start).mark_point(filled=True, size=90, opacity=1)
    layers: list[alt.Chart] = [
        base.mark_area(opacity=0.16).encode(y=y("r1v_low"), y2="r1v_high:Q"),
        base.mark_line(strokeWidth=2).encode(y=y("r1v_accuracy")),
        base.mark_point(filled=True, size=75, opacity=1).encode(y=y("r1v_accuracy"), shape=shape),
        untrained.encode(x=x, y=y("r1v_accuracy"), color=colour, shape=shape),
    ]
    seeds = single_seeds(named)
    if len(seeds):
        dots = alt.Chart(seeds).mark_circle(size=16, opacity=0.6)
        layers.append(dots.encode(x=x, y=y("r1v_accuracy"), color=colour))
    for number, (_, of) in enumerate(paper.groupby("label", sort=False)):  # side by side, in their colours
        *bars, marks = paper_layers(of, x, y, xOffset=14 + 12 * number)
        layers += [*bars, marks.encode(fill=alt.Fill("label:N", scale=colour["scale"], legend=None))]
    lines = caption(
        frame, f"bands: {intervals(frame)}", paper_line(frame, "the paper's final values (its table 1)")
    )
    return alt.layer(*layers).properties(width=540, height=300), lines


def curve_points(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of trained methods with their step in `at_step`; every curve starts at the untrained backbone.

    A final checkpoint's step is the length of its run. A checkpoint that was not trained here has no curve.
    """
    frame = frame.assign(at_step=frame["step"].fillna(frame["steps"]).astype("float64"))
    base = frame[frame.method == "base"]
    trained = frame[(frame.method != "base") & (frame.steps > 0)]
    starts = []
    curve = ["backbone", "method", "varied", "trained_on", "tested_on"]
    for (backbone, method, varied, trained_on, tested_on), _ in trained.groupby(curve, sort=False):
        start = base[(base.backbone == backbone) & (base.tested_on == tested_on)]
        start = start.assign(method=str(method), varied=str(varied), trained_on=str(trained_on))
        starts.append(start.assign(at_step=0.0, step=0.0, paper_accuracy=float("nan")))
    points = pd.concat([*starts, trained], ignore_index=True)
    return points.sort_values([*curve, "seed", "at_step"], kind="stable", ignore_index=True)
