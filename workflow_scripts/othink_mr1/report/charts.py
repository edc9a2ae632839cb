"""The page's charts, as Vega specifications.

Their colours are the stylesheet's variables, so they follow light, dark and print without being drawn again.
A panel is a chart of its own, which the page makes as wide as it can.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from othink_mr1.exhibits.captions import labelled, with_paper
from othink_mr1.exhibits.collected_tables import smoothed_share, smoothing_window
from othink_mr1.exhibits.counts_figure import LARGEST_COUNT, OTHER, SAID, not_counted, said_counts
from othink_mr1.exhibits.figure1 import curve_points
from othink_mr1.exhibits.figure7 import by_direction
from othink_mr1.exhibits.figure_files import VEGALITE_VERSION, AnyChart
from othink_mr1.exhibits.frames import WEIGHT_PATHS, pooled
from othink_mr1.exhibits.labels import method_label, method_styles, methods_line, task_label
from othink_mr1.exhibits.study_figure import varied_paths
from othink_mr1.exhibits.text import capital
from othink_mr1.report.curves import MOST_POINTS, PANELS
from othink_mr1.report.inputs import Inputs
from othink_mr1.report.items import TaskItems

HEIGHT = 190
FONT = 'system-ui, "Segoe UI", "Liberation Sans", Arial, sans-serif'
INK, QUIET, GRID = "var(--ink)", "var(--quiet)", "var(--grid)"


@dataclass(frozen=True)
class Panel:
    """A chart with its title. spec: Vega, JSON values."""

    title: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class ChartGroup:
    """A figure: its panels side by side, the caption, and its numbers as a table."""

    name: str
    title: str
    panels: list[Panel]
    caption: str
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def colour_variable(method: str) -> str:
    """The name of a method's colour in the stylesheet."""
    return f"--m-{re.sub(r'[^a-z0-9_-]', '-', method.partition(',')[0].lower())}"


def chart_groups(inputs: Inputs, tasks: list[TaskItems]) -> list[ChartGroup]:
    """Figures 1, 4 to 7, other sweeps of the study, and what was counted, as far as they are there."""
    found = [_curves(inputs), _rewards(inputs), _cross_task(inputs), *_sweeps(inputs)]
    there = sorted((group for group in found if group is not None), key=lambda group: group.title)
    return [*there, *_confusion(tasks)]


def training_panels() -> list[Panel]:
    """One per metric; the page fills in the data of the runs that are chosen."""
    return [Panel(title, _spec(_training_panel(title))) for title in PANELS.values()]


def _theme() -> alt.theme.ThemeConfig:
    return {
        "background": "transparent",
        "padding": 2,
        "config": {
            "font": FONT,  # as the stylesheet's; Vega measures its texts
            "view": {"stroke": None},
            "axis": {
                "labelColor": QUIET,
                "titleColor": QUIET,
                "labelFontSize": 11,
                "titleFontSize": 11,
                "titleFontWeight": "normal",
                "gridColor": GRID,
                "domainColor": GRID,
                "tickColor": GRID,
            },
            "axisX": {"grid": False, "labelAngle": 0},
        },
    }


alt.theme.register("othink_mr1_report", enable=False)(_theme)


def _spec(chart: AnyChart) -> dict[str, Any]:
    with alt.theme.enable("othink_mr1_report"):
        vega_lite = chart.to_dict()
    vega: dict[str, Any] = vl_convert.vegalite_to_vega(vega_lite, vl_version=VEGALITE_VERSION)
    vega.pop("$schema", None)
    return vega


def _method_scale(methods: pd.Series) -> tuple[alt.Color, alt.Shape]:
    styles = method_styles(methods)
    labels = [style.label for style in styles.values()]
    colours = [f"var({colour_variable(method)})" for method in styles]
    shapes = [style.shape for style in styles.values()]
    return (
        alt.Color("label:N", scale=alt.Scale(domain=labels, range=colours), legend=None),
        alt.Shape("label:N", scale=alt.Scale(domain=labels, range=shapes), legend=None),
    )


def _percent(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame with these shares in percent."""
    return frame.assign(**{column: 100 * frame[column] for column in columns})


def _domain(*columns: pd.Series) -> list[float]:
    """An axis of percents that holds all values, with room, and ends at 0 and 100."""
    values = pd.concat([column.dropna() for column in columns])
    if values.empty:
        return [0.0, 100.0]
    low, high = float(values.min()), float(values.max())
    room = max(3.0, 0.15 * (high - low))
    return [max(0.0, low - room), min(100.0, high + room)]


_ACCURACY = ("r1v_accuracy", "r1v_low", "r1v_high", "paper_accuracy")
_TOOLTIP = [
    alt.Tooltip("label:N", title="method"),
    alt.Tooltip("r1v_accuracy:Q", title="accuracy (%)", format=".1f"),
    alt.Tooltip("r1v_low:Q", title="from", format=".1f"),
    alt.Tooltip("r1v_high:Q", title="to", format=".1f"),
]


def _curves(inputs: Inputs) -> ChartGroup | None:
    frame = inputs.study("learning_curves")
    if frame is None or frame.empty:
        return None
    rows = labelled(_percent(pooled(curve_points(frame)), *_ACCURACY))
    panels = []
    for task, of_task in rows.groupby("tested_on", sort=False):
        colour, shape = _method_scale(of_task.method)
        base = alt.Chart(of_task).encode(
            x=alt.X("at_step:Q", title="training step", axis=alt.Axis(format="~s", tickCount=5)), color=colour
        )
        scale = alt.Scale(domain=_domain(of_task.r1v_low, of_task.r1v_high), nice=False)
        y = partial(alt.Y, title="accuracy (%)", scale=scale)
        layers = alt.layer(
            base.mark_area(opacity=0.15).encode(y=y("r1v_low:Q"), y2="r1v_high:Q"),
            base.mark_line(strokeWidth=2).encode(y=y("r1v_accuracy:Q")),
            base.mark_point(filled=True, size=60, opacity=1).encode(
                y=y("r1v_accuracy:Q"),
                shape=shape,
                tooltip=[alt.Tooltip("at_step:Q", title="step"), *_TOOLTIP],
            ),
        )
        panels.append(Panel(task_label(str(task)), _spec(layers.properties(width=320, height=HEIGHT))))
    caption = "Published scorer. Bands: 95 % intervals. Step 0 is the untrained backbone."
    if set(frame.method) - {"base"} == {"sft", "grpo"}:
        caption += (
            " A step is not the same for both: a step of SFT reads worked answers, a step of GRPO draws "
            "completions."
        )
    return ChartGroup(
        "figure1",
        "Figure 1. Accuracy over training",
        panels,
        caption,
        ["method", "step", "accuracy", "interval"],
        [[str(row.label), f"{row.at_step:.0f}", *_printed(row)] for row in rows.itertuples()],
    )


def _printed(row: Any) -> list[str]:
    return [f"{row.r1v_accuracy:.1f}", f"[{row.r1v_low:.1f}, {row.r1v_high:.1f}]"]


def _rewards(inputs: Inputs) -> ChartGroup | None:
    frame = inputs.reward_curves()
    if frame is None or frame.empty:
        return None
    panels = []
    for column in ("format_reward", "accuracy_reward"):
        parts = []
        for _, run in frame.groupby("run", sort=False):
            mean, low, high = smoothed_share(run[column], smoothing_window(len(run)))
            rolled = run.assign(mean=mean, low=low, high=high)[
                ["run", "method", "task", "seed", "step", "mean", "low", "high"]
            ]
            every = math.ceil(len(rolled) / MOST_POINTS)
            parts.append(rolled.iloc[::-every].iloc[::-1].round(4))  # with the last step
        rows = pd.concat(parts, ignore_index=True)
        rows = rows.assign(label=[method_label(method) for method in rows.method])
        colour, _ = _method_scale(rows.method)
        base = alt.Chart(rows).encode(
            x=alt.X("step:Q", title="training step", axis=alt.Axis(format="~s", tickCount=5)),
            color=colour,
            detail="run:N",
            strokeDash=alt.StrokeDash("task:N", legend=None),
        )
        y = partial(alt.Y, title="reward", scale=alt.Scale(domain=[0, 1], nice=False))
        tooltip = ["run:N", "step:Q", alt.Tooltip("mean:Q", format=".3f")]
        chart = alt.layer(
            base.mark_area(opacity=0.12).encode(y=y("low:Q"), y2="high:Q"),
            base.mark_line(strokeWidth=1.6).encode(y=y("mean:Q"), tooltip=tooltip),
        )
        panels.append(Panel(column.replace("_", " "), _spec(chart.properties(width=320, height=HEIGHT))))
    runs = frame.run.nunique()
    return ChartGroup(
        "figure5",
        "Figure 5. Rewards over training",
        panels,
        f"{runs} {'run' if runs == 1 else 'runs'} of {methods_line(frame.method)}. Lines: the mean of the "
        "last twentieth of a run's updates; bands: 1.96 standard errors over these updates. A dash pattern "
        "per task.",
    )


def _cross_task(inputs: Inputs) -> ChartGroup | None:
    frame = inputs.points("cross_task")
    if frame is None or frame.empty:
        return None
    rows = _percent(by_direction(frame), *_ACCURACY)
    if rows.empty:
        return None
    panels, shown = [], []
    for (trained, tested), of in rows.groupby(["trained", "tested_on"], sort=False):
        of = labelled(of)
        shown.append(of)
        title = f"trained on {task_label(str(trained))}, tested on {task_label(str(tested))}"
        panels.append(Panel(title, _spec(_dots(of))))
    return ChartGroup(
        "figure7",
        "Figure 7. Accuracy on a task that was not trained",
        panels,
        "Filled: ours, with 95 % intervals. Open: the paper's, where it prints one, for its own backbone, "
        "with Wilson intervals of its counts. All panels have one scale.",
        ["trained on", "tested on", "method", "accuracy", "interval", "paper"],
        [
            [str(row.trained), str(row.tested_on), str(row.label), *_printed(row), _paper(row)]
            for row in pd.concat(shown).itertuples()
        ],
    )


def _paper(row: Any) -> str:
    return "" if pd.isna(row.paper_accuracy) else f"{row.paper_accuracy:.1f}"


def _dots(rows: pd.DataFrame) -> AnyChart:
    """A row per method: ours above, the paper's below."""
    order = [style.label for style in method_styles(rows.method).values()]
    colour, shape = _method_scale(rows.method)
    y = alt.Y("label:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, grid=False))
    x = partial(alt.X, title="accuracy (%)", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(grid=True))
    ours = alt.Chart(rows).encode(y=y, color=colour)
    paper = _percent(with_paper(rows), "paper_low", "paper_high")
    theirs = alt.Chart(paper).encode(y=y)
    tooltip = [
        alt.Tooltip("paper_backbone:N", title="the paper's backbone"),
        alt.Tooltip("paper_accuracy:Q", title="the paper's accuracy (%)", format=".1f"),
    ]
    return alt.layer(
        ours.mark_rule(strokeWidth=2, yOffset=-6).encode(x=x("r1v_low:Q"), x2="r1v_high:Q"),
        ours.mark_point(filled=True, size=75, opacity=1, yOffset=-6).encode(
            x=x("r1v_accuracy:Q"), shape=shape, tooltip=_TOOLTIP
        ),
        theirs.mark_rule(strokeWidth=1.2, yOffset=7, color=INK).encode(x=x("paper_low:Q"), x2="paper_high:Q"),
        theirs.mark_point(filled=True, fill="var(--page)", stroke=INK, size=60, opacity=1, yOffset=7).encode(
            x=x("paper_accuracy:Q"), tooltip=tooltip
        ),
    ).properties(width=320, height=alt.Step(44))


def _sweeps(inputs: Inputs) -> list[ChartGroup | None]:
    """Every study that varies settings: a panel per setting and tested task."""
    found: list[ChartGroup | None] = []
    titles = {
        "format_weight_sweep": "Figure 4. Weight of the format reward, α",
        "kl_weight_sweep": "Figure 6. Constant KL weight, β",
    }
    for study in inputs.plan.studies:
        if study.exhibit in inputs.plan.compared:
            continue  # it has a section of its own
        frame = inputs.points(study.exhibit)
        if frame is None or not (frame.varied != "").any():
            continue
        rows = frame[frame.varied != ""]
        panels = []
        for path in varied_paths(rows):
            for task, of in rows.groupby("tested_on", sort=False):
                if (chart := _sweep(of, path)) is not None:
                    panels.append(Panel(f"{path}, {task_label(str(task))}", _spec(chart)))
        # The page has sections and controls of its own, as `items` and `data`.
        name = study.exhibit if study.exhibit in titles else f"study-{study.exhibit}"
        title = titles.get(study.exhibit, f"Study {study.exhibit}")
        shown = labelled(_percent(rows, *_ACCURACY))
        found.append(
            ChartGroup(
                name,
                title,
                panels,
                "Published scorer, with 95 % intervals. Open: the paper's value, where it prints one with "
                "the same weights.",
                ["method", "tested on", "accuracy", "interval", "paper"],
                [
                    [str(row.label), str(row.tested_on), *_printed(row), _paper(row)]
                    for row in shown.itertuples()
                ],
            )
        )
    return found


def _sweep(rows: pd.DataFrame, path: str) -> AnyChart | None:
    """Accuracy over the values of one setting; evenly spaced, as values are chosen by factors."""
    settings = [dict(part.split("=", 1) for part in text.split("; ")) for text in rows.varied]
    values = [setting.get(path, "") for setting in settings]
    others = ["; ".join(f"{k}={v}" for k, v in setting.items() if k != path) for setting in settings]
    if len(set(values)) < 2:
        return None
    rows = labelled(_percent(rows, *_ACCURACY), path).assign(value=values, other=others)
    order = sorted(set(values), key=_as_number)
    colour, _ = _method_scale(rows.method)
    x = alt.X("value:N", sort=order, title=path, axis=alt.Axis(grid=False), scale=alt.Scale(padding=0.5))
    domain = _domain(rows.r1v_low, rows.r1v_high, rows.paper_accuracy)
    y = partial(alt.Y, title="accuracy (%)", scale=alt.Scale(domain=domain, nice=False))
    base = alt.Chart(rows).encode(x=x, color=colour, detail="other:N")
    known = rows.paper_accuracy.notna() & (path in WEIGHT_PATHS.values())  # else it is of another setting
    paper = alt.Chart(rows[known]).encode(x=x, y=y("paper_accuracy:Q"))
    tooltip = [alt.Tooltip("value:N", title=path), *_TOOLTIP]
    return alt.layer(
        base.mark_line(strokeWidth=1.2, opacity=0.5).encode(y=y("r1v_accuracy:Q")),
        base.mark_rule(strokeWidth=2).encode(y=y("r1v_low:Q"), y2="r1v_high:Q"),
        base.mark_point(filled=True, size=70, opacity=1).encode(y=y("r1v_accuracy:Q"), tooltip=tooltip),
        paper.mark_point(filled=True, fill="var(--page)", stroke=INK, size=60, opacity=1, xOffset=9),
    ).properties(width=320, height=HEIGHT)


def _as_number(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return float("inf"), text


def _confusion(tasks: list[TaskItems]) -> list[ChartGroup]:
    """Where golds are whole numbers: what was said against what is true, for runs trained on the task."""
    found = []
    for task in tasks:
        panels, hidden = [], ""
        untrained = any(run.method == "base" for run in task.runs)
        for run in task.runs:
            counts = said_counts(task.examples, run.completions)
            hidden = not_counted(task.task, task.examples, counts)
            if run.trained_on in ("", task.task) and len(counts):
                title = method_label(run.method) + (f", {run.setting}" if run.setting else "")
                panels.append(Panel(title, _spec(_confusion_chart(counts, run.method))))
        caption = (
            "Items by their true number and the number in the answer tag; shade: share of the true "
            f"number. {OTHER}: no whole number up to {LARGEST_COUNT}. Runs trained on "
            f"{task_label(task.task)}{', and the untrained backbone' if untrained else ''}."
        )
        caption += f" {capital(hidden)}." if hidden else ""
        title = f"What was said, what is true: {task_label(task.task)}"
        found += [ChartGroup(f"said-{task.task}", title, panels, caption)] if panels else []
    return found


def _confusion_chart(counts: pd.DataFrame, method: str) -> AnyChart:
    present = [value for value in SAID if value in set(counts.said)]
    x = alt.X("true:O", title="true number")
    y = alt.Y("said:N", sort=present, title="said", axis=alt.Axis(grid=False))
    base = alt.Chart(counts).encode(x=x, y=y)
    tooltip = ["true:O", "said:N", "items:Q"]
    cell = base.mark_rect(color=f"var({colour_variable(method)})").encode(
        opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.08, 0.85]), legend=None),
        tooltip=tooltip,
    )
    return alt.layer(cell, base.mark_text(fontSize=10, color=INK).encode(text="items:Q")).properties(
        width=240, height=HEIGHT
    )


def _training_panel(title: str) -> AnyChart:
    """Thin: what was logged; thick: smoothed. The page sets the data `curves` and the colours of its runs."""
    data = alt.NamedData(name="curves")
    x = alt.X("step:Q", title="training step", axis=alt.Axis(format="~s", tickCount=5))
    colour = alt.Color("colour:N", scale=None, legend=None)
    tooltip = ["label:N", "step:Q", alt.Tooltip("smooth:Q", title=title, format=".4~g")]
    base = alt.Chart(data).encode(x=x, color=colour, detail="run:N")
    numbers = ".1e" if title == PANELS["learning_rate"] else ".4~f"
    y = partial(alt.Y, title=None, scale=alt.Scale(zero=False), axis=alt.Axis(format=numbers, tickCount=5))
    return alt.layer(
        base.mark_line(strokeWidth=0.7, opacity=0.35).encode(y=y("value:Q")),
        base.mark_line(strokeWidth=1.8).encode(
            y=y("smooth:Q"), strokeDash=alt.StrokeDash("dash:N", scale=None, legend=None)
        ),
        base.mark_point(size=30, opacity=0).encode(y=y("smooth:Q"), tooltip=tooltip),
    ).properties(width=260, height=130)
