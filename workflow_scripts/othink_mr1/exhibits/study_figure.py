"""The figure of any study that varies settings: accuracy over each varied setting, on each tested task."""

from __future__ import annotations

import altair as alt
import pandas as pd

from othink_mr1.exhibits.captions import caption, intervals
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import final
from othink_mr1.exhibits.labels import task_label
from othink_mr1.exhibits.marks import per_backbone
from othink_mr1.exhibits.sweep_panel import setting_value, sweep_panel

_COLUMNS = 2  # of panels


def draw(inputs: FigureInputs, study: str) -> Figure:
    """Draw it from the study's csv."""
    frame = final(inputs.study(study))
    frame = frame[frame.varied != ""]
    chart, lines = per_backbone(frame, _chart)
    return Figure("", f"Study {study}", chart, frame, lines)


def varied_paths(frame: pd.DataFrame) -> list[str]:
    """The settings that a study varies, in the order of its csv."""
    parts = (part for text in frame.varied for part in text.split("; "))
    return list(dict.fromkeys(part.partition("=")[0] for part in parts if part))


def _chart(frame: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    panels = []
    for path in varied_paths(frame):
        values = frame.assign(value=[setting_value(varied, path) for varied in frame.varied])
        has = values[values.value != ""]
        for task, rows in has.groupby("tested_on", sort=False):
            panels.append(sweep_panel(rows, path, path, "r1v", f"accuracy, {task_label(str(task))}"))
    chart = alt.concat(*panels, columns=_COLUMNS, spacing=40)
    return chart.resolve_scale(color="independent", shape="independent"), caption(
        frame, f"bars: {intervals(frame)}"
    )
