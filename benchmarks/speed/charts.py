"""The two charts: where the time goes, and how it grows. They draw what the csv files hold, no more."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import pandas as pd
import vl_convert

from benchmarks.speed.labels import PHASES, SYSTEMS, present_phases
from benchmarks.speed.rounds import phase_columns
from benchmarks.speed.shapes import GRPO_SHAPES, SWEEPS
from othink_mr1.artefacts.atomic_files import write_text, written_aside
from othink_mr1.exhibits.figure_files import AnyChart, as_svg
from othink_mr1.exhibits.theme import INK, QUIET

_PNG_SCALE = 2  # pixels of the png per pixel of the layout
_COLUMNS = 2
_TITLES = {
    shape.name: f"GRPO {shape.name}: prompt {shape.prompt_tokens} (image {shape.image_tokens}), "
    f"completions {shape.mean_completion}, at most {shape.longest_completion}"
    for shape in GRPO_SHAPES
}


def draw_charts(folder: Path) -> None:
    """Write speed and scaling, .svg and .png, from the csv files that are there."""
    steps = [folder / f"{name}.csv" for name in ("grpo_step", "sft", "evaluation")]
    frames = [pd.read_csv(path) for path in steps if path.exists()]
    if frames:
        _write(_speed_chart(pd.concat(frames, ignore_index=True)), folder / "speed")
    if (folder / "scaling.csv").exists():
        _write(_scaling_chart(pd.read_csv(folder / "scaling.csv")), folder / "scaling")


def _speed_chart(rows: pd.DataFrame) -> AnyChart:
    phases = present_phases(rows)
    panels = [_step_panel(str(case), of_case, phases) for case, of_case in rows.groupby("case", sort=False)]
    stacked = [
        alt.hconcat(*panels[start : start + _COLUMNS], spacing=36)
        for start in range(0, len(panels), _COLUMNS)
    ]
    subtitle = [
        "medians of interleaved rounds; beside each bar its length as a multiple of this project's",
        "black line: the counted floor, the step's matrix products at the machine's measured sgemm peak",
    ]
    return alt.vconcat(*stacked, spacing=22).properties(
        title=alt.Title("Seconds per step, by phase", subtitle=subtitle)
    )


def _step_panel(case: str, rows: pd.DataFrame, phases: list[str]) -> AnyChart:
    columns = [column for column in phase_columns(rows) if column.removesuffix("_seconds") in phases]
    # Medians of the phases need not add up to the median of the whole: they share it out.
    parts = rows.melt(
        id_vars=["system", "median_seconds"], value_vars=columns, var_name="phase", value_name="part"
    ).dropna(subset=["part"])
    parts["phase"] = parts["phase"].str.removesuffix("_seconds")
    sums = parts.groupby("system")["part"].transform("sum")
    parts["seconds"] = parts["part"] / sums * parts["median_seconds"]
    parts["order"] = parts["phase"].map({phase: number for number, phase in enumerate(PHASES)})
    parts["phase"] = parts["phase"].map({name: style.label for name, style in PHASES.items()})
    parts["system"] = parts["system"].map(SYSTEMS)
    ends = rows.assign(
        system=rows["system"].map(SYSTEMS),
        said=[
            f"{seconds:.2f} s" + (f", {ratio:.2f} ×" if name != "ours" else "")
            for seconds, ratio, name in zip(
                rows["median_seconds"], rows["ratio_of_medians"], rows["system"], strict=True
            )
        ],
    )
    order = [label for name, label in SYSTEMS.items() if name in set(rows["system"])]
    y = alt.Y("system:N", sort=order, title=None, axis=alt.Axis(minExtent=84))
    # Room at the right for the text behind the longest bar.
    longest = float(rows["median_seconds"].max()) * 1.35
    scale = alt.Scale(domain=[0, longest], nice=False)
    styles = [PHASES[phase] for phase in phases]
    colour = alt.Color(
        "phase:N",
        title=None,
        sort=[style.label for style in styles],
        scale=alt.Scale(domain=[style.label for style in styles], range=[style.colour for style in styles]),
    )
    x = alt.X("seconds:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5), stack="zero")
    bars = alt.Chart(parts).mark_bar(height=20).encode(x=x, y=y, color=colour, order="order:Q")
    text = (
        alt.Chart(ends)
        .mark_text(align="left", dx=5, color=INK, fontSize=11)
        .encode(x=alt.X("median_seconds:Q", scale=scale), y=y, text="said:N")
    )
    floor = (
        alt.Chart(ends)
        .mark_tick(thickness=2.5, size=30, color="black", opacity=1)
        .encode(x=alt.X("floor_seconds:Q", scale=scale), y=y)
    )
    title = alt.Title(_TITLES.get(case, case), fontSize=12, fontWeight="normal", offset=6)
    return alt.layer(bars, floor, text).properties(width=330, height=34 * len(rows), title=title)


def _scaling_chart(rows: pd.DataFrame) -> AnyChart:
    sweeps = [sweep for sweep in SWEEPS if sweep.name in set(rows["sweep"])]
    panels = [_sweep_panel(sweep.title, rows[rows["sweep"] == sweep.name]) for sweep in sweeps]
    stacked = [
        alt.hconcat(*panels[start : start + _COLUMNS], spacing=36)
        for start in range(0, len(panels), _COLUMNS)
    ]
    subtitle = [
        "2 prompts, 8 completions each, 64 image tokens, 60 tokens of text, 64 tokens per completion,",
        "but for what is varied; medians; dashed: the counted floor at the machine's sgemm peak",
    ]
    return alt.vconcat(*stacked, spacing=28).properties(
        title=alt.Title("Seconds of a GRPO step as its work grows", subtitle=subtitle)
    )


def _sweep_panel(title: str, rows: pd.DataFrame) -> AnyChart:
    floor = rows[rows["system"] == "ours"].assign(seconds=lambda frame: frame["floor_seconds"])
    lines = pd.concat(
        [
            rows.assign(seconds=rows["median_seconds"], line=rows["system"].map(SYSTEMS)),
            floor.assign(line=_FLOOR),
        ]
    )
    names = [SYSTEMS["ours"], SYSTEMS["trl"], _FLOOR]
    axis = alt.Axis(values=sorted({int(value) for value in rows["value"]}), format="d")
    x = alt.X("value:Q", title=title, scale=alt.Scale(type="log", nice=False, padding=16), axis=axis)
    y = alt.Y("seconds:Q", title="seconds per step", scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=5))
    colour = alt.Color(
        "line:N", title=None, sort=names, scale=alt.Scale(domain=names, range=["#0072B2", "#E69F00", QUIET])
    )
    dash = alt.StrokeDash(
        "line:N", title=None, sort=names, scale=alt.Scale(domain=names, range=[[1, 0], [1, 0], [5, 4]])
    )
    shape = alt.Shape(
        "line:N", title=None, sort=names, scale=alt.Scale(domain=names, range=["circle", "square", "stroke"])
    )
    base = alt.Chart(lines).encode(x=x, y=y, color=colour)
    return alt.layer(
        base.mark_line(strokeWidth=2).encode(strokeDash=dash),
        base.mark_point(filled=True, size=60, opacity=1).encode(shape=shape),
    ).properties(width=300, height=210)


_FLOOR = "counted floor"


def _write(chart: AnyChart, stem: Path) -> None:
    svg = as_svg(chart)
    write_text(stem.with_suffix(".svg"), svg)
    with written_aside(stem.with_suffix(".png")) as aside:
        aside.write_bytes(vl_convert.svg_to_png(svg, scale=_PNG_SCALE))
