"""A figure's inputs, and its files: svg, pdf, png, its caption and its data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import vl_convert

from othink_mr1.artefacts.manifests import write_sealed_text, written_sealed
from othink_mr1.errors import UserError
from othink_mr1.exhibits.font import font_face, in_font
from othink_mr1.exhibits.frames import read_reward_curves, read_study, write_frame
from othink_mr1.exhibits.plans import Plan, read_plan
from othink_mr1.exhibits.text import capital, latex_text, markdown_text

AnyChart = alt.Chart | alt.LayerChart | alt.HConcatChart | alt.VConcatChart | alt.ConcatChart | alt.FacetChart

VEGALITE_VERSION = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
_PNG_SCALE = 3  # pixels of the png per pixel of the layout


def _values(frame: Any) -> dict[str, Any]:
    """A chart's data for its JSON. Altair's own way takes ten times as long, and refuses 5000 rows."""
    rows = frame.to_numpy(dtype=object, na_value=None)
    endless = (math.inf, -math.inf)  # JSON has none
    return {
        "values": [
            {name: None if cell in endless else cell for name, cell in zip(frame, row, strict=True)}
            for row in rows
        ]
    }


alt.data_transformers.register("othink_mr1", _values)
alt.data_transformers.enable("othink_mr1")


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
    """A picture and its data: the csv has every number or text that the picture shows.

    name: "Figure 7", or "" for a figure that the paper does not have. caption: sentences without full stop.
    """

    name: str
    title: str
    chart: AnyChart
    data: pd.DataFrame
    caption: Sequence[str]

    @property
    def sentences(self) -> list[str]:
        return [f"{capital(line)}." for line in self.caption if line]


def as_svg(chart: AnyChart) -> str:
    """The chart as the text of an svg file, in the font's characters; the same chart gives the same text."""
    return in_font(vl_convert.vegalite_to_svg(chart.to_json(), vl_version=VEGALITE_VERSION))


def with_font(svg: str) -> str:
    """The svg with the font in it, for programs that show it elsewhere."""
    head, close, body = svg.partition(">")
    return f"{head}{close}<style>{font_face(set(svg))}</style>{body}"


def write_figure(figure: Figure, stem: Path) -> None:
    """Write stem.csv, .svg, .pdf, .png, and the caption as .md and .tex: each atomically, with a manifest."""
    write_frame(stem.with_name(f"{stem.name}.csv"), figure.data)
    svg = as_svg(figure.chart)
    write_sealed_text(stem.with_name(f"{stem.name}.svg"), with_font(svg))
    # Converted from the svg, as a second run of Vega would take as long as the first.
    with written_sealed(stem.with_name(f"{stem.name}.png")) as aside:
        aside.write_bytes(vl_convert.svg_to_png(svg, scale=_PNG_SCALE))
    with written_sealed(stem.with_name(f"{stem.name}.pdf")) as aside:
        aside.write_bytes(_ordered(vl_convert.svg_to_pdf(svg)))
    write_sealed_text(stem.with_name(f"{stem.name}.md"), caption_markdown(figure))
    write_sealed_text(stem.with_name(f"{stem.name}.tex"), caption_latex(figure))


def _ordered(pdf: bytes) -> bytes:
    """The pdf with its lists of resources sorted: the renderer writes them in another order each time."""
    return re.sub(
        rb"(?:^ +/\w+ \d+ 0 R\n){2,}",
        lambda found: b"".join(sorted(found[0].splitlines(keepends=True))),
        pdf,
        flags=re.MULTILINE,
    )


def caption_markdown(figure: Figure) -> str:
    """The caption as a paragraph in Markdown."""
    head = f"{figure.name}. {figure.title}" if figure.name else figure.title
    texts = [markdown_text(text, len(text)) for text in figure.sentences]
    return f"**{markdown_text(head, len(head))}.** {' '.join(texts)}\n"


def caption_latex(figure: Figure) -> str:
    r"""The caption as \caption{…}, to be read by \input beside \includegraphics; LaTeX numbers it."""
    text = " ".join(latex_text(text) for text in [f"{figure.title}.", *figure.sentences])
    return f"\\caption{{{text}}}\n"
