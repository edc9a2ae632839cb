"""A figure's inputs, and its files: svg, png, html and its data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from othink_mr1.artefacts.manifests import write_sealed_text, written_sealed
from othink_mr1.errors import UserError
from othink_mr1.exhibits.frames import read_reward_curves, read_study, write_frame
from othink_mr1.exhibits.plans import Plan, read_plan

AnyChart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.FacetChart

VEGALITE_VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
_PNG_SCALE = 2  # pixels of the png per pixel of the layout


@dataclass(frozen=True)
class FigureInputs:
    """A figure's inputs from the command line.

    data: study or reward_curves -> csv; plan: the figure's plan file.
    """

    data: Mapping[str, Path]
    plan: Path | None
    results: Path

    def study(self, name: str) -> pd.DataFrame:
        """A study's frame. UserError if it was not given."""
        return read_study(self._csv(name))

    def reward_curves(self) -> pd.DataFrame:
        """The frame of reward curves. UserError if it was not given."""
        return read_reward_curves(self._csv("reward_curves"))

    def read_plan(self, kind: type[Plan]) -> Plan:
        """The plan. UserError if it was not given."""
        if self.plan is None:
            raise UserError("--plan: this figure needs its plan file")
        return read_plan(self.plan, kind)

    def _csv(self, name: str) -> Path:
        if name not in self.data:
            raise UserError(f"--data: this figure needs {name}=CSV")
        return self.data[name]


@dataclass(frozen=True)
class Figure:
    """A picture and its data: the csv has every number or text that the picture shows."""

    chart: AnyChart
    data: pd.DataFrame


class _ScriptSafe(json.JSONEncoder):
    """JSON that is safe in a <script>: a completion may contain `</script>`, which would end it."""

    def encode(self, o: Any) -> str:
        return super().encode(o).replace("<", "\\u003c")


def as_svg(chart: AnyChart) -> str:
    """The chart as the text of an svg file; the same chart gives the same text."""
    svg: str = vl_convert.vegalite_to_svg(chart.to_json(), vl_version=VEGALITE_VERSION)
    return svg


def write_figure(figure: Figure, stem: Path) -> None:
    """Write stem.csv, stem.svg, stem.png and stem.html, each atomically and with its manifest.

    The html needs no network.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    write_frame(stem.with_name(f"{stem.name}.csv"), figure.data)
    svg = as_svg(figure.chart)
    write_sealed_text(stem.with_name(f"{stem.name}.svg"), svg)
    # Converted from the svg, as a second run of Vega would take as long as the first.
    with written_sealed(stem.with_name(f"{stem.name}.png")) as aside:
        aside.write_bytes(vl_convert.svg_to_png(svg, scale=_PNG_SCALE))
    html = figure.chart.to_html(inline=True, json_kwds={"cls": _ScriptSafe})
    write_sealed_text(stem.with_name(f"{stem.name}.html"), html)
