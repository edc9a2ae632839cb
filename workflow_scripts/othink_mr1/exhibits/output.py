"""Writing a figure: svg, png, html and the data it is drawn from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from othink_mr1.exhibits.frames import write_frame
from othink_mr1.study.artefacts import write_text, written_aside

AnyChart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.FacetChart

_PNG_SCALE = 2  # pixels of the png per pixel of the layout


@dataclass(frozen=True)
class Figure:
    """A picture and its data: the csv has every number or text that the picture shows."""

    chart: AnyChart
    data: pd.DataFrame


class _ScriptSafe(json.JSONEncoder):
    """JSON that can stand in a <script>: a completion may hold `</script>`, which would end it."""

    def encode(self, o: Any) -> str:
        return super().encode(o).replace("<", "\\u003c")


def write_figure(figure: Figure, stem: Path) -> None:
    """Write stem.csv, stem.svg, stem.png and stem.html, each atomically. The html needs no network."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_frame(stem.with_name(f"{stem.name}.csv"), figure.data)
    for kind in ("svg", "png"):
        with written_aside(stem.with_name(f"{stem.name}.{kind}")) as aside:
            figure.chart.save(str(aside), format=kind, scale_factor=_PNG_SCALE if kind == "png" else 1)
    html = figure.chart.to_html(inline=True, json_kwds={"cls": _ScriptSafe})
    write_text(stem.with_name(f"{stem.name}.html"), html)
