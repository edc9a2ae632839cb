"""The figure of a comparison: per training task each method's accuracies and KL, and what more seeds find."""

from __future__ import annotations

from functools import partial

import altair as alt
import pandas as pd

from othink_mr1.exhibits.comparison_table import if_it_has_some, seeds_and_spread
from othink_mr1.exhibits.figure_files import AnyChart, Figure, FigureInputs
from othink_mr1.exhibits.frames import read_comparison, read_seeds
from othink_mr1.exhibits.labels import method_label, task_label, task_letters
from othink_mr1.exhibits.marks import HOLLOW, domain_of, per_backbone
from othink_mr1.exhibits.theme import FAINT, INK, QUIET, SIZE
from othink_mr1.plan.exhibits import comparison, seeds_needed

_ROW = 24  # pixels per method
_WIDTH = 230
_LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#000000")  # pairs of tasks


def draw(inputs: FigureInputs, study: str) -> Figure:
    """Draw it from <study>_comparison.csv and <study>_seeds.csv."""
    frame = read_comparison(inputs.data[comparison(study)])
    seeds = read_seeds(inputs.data[seeds_needed(study)])
    chart, lines = per_backbone(frame, partial(_chart, seeds=seeds))
    return Figure("", f"{study}: methods compared", chart, pd.concat([frame, seeds]), lines)


def _chart(frame: pd.DataFrame, seeds: pd.DataFrame) -> tuple[AnyChart, list[str]]:
    trained = frame[frame.trained_on != ""]
    untrained = frame[frame.trained_on == ""]
    rows: list[AnyChart] = []
    for _, of in trained.groupby("trained_on", sort=False):
        own = str(of[of.own_task == 1].tested_on.iloc[0])
        of = of.assign(label=[_label(*row) for row in zip(of.method, of.setting, strict=True)])
        tested = [own, *(name for name in dict.fromkeys(of.tested_on) if name != own)]
        panels: list[AnyChart] = [
            _accuracies(of[of.tested_on == name], untrained[untrained.tested_on == name], first=name == own)
            for name in tested
        ]
        panels.append(_kl(of[of.tested_on == own]))
        title = alt.Title(f"trained on {task_label(own)}", fontSize=SIZE + 1, anchor="start", offset=10)
        rows.append(alt.hconcat(*panels, spacing=18).properties(title=title))
    here = seeds[seeds.backbone == frame.backbone.iloc[0]]
    below: list[str] = []
    if len(here):
        own_rows = trained[trained.own_task == 1]
        rows.append(_found_by_seeds(here, dict(zip(own_rows.trained_on, own_rows.tested_on, strict=True))))
        found = "below: the smallest difference of two methods that n seeds each find with 80 % power"
        if here.paper_seeds_needed.notna().any():
            found += (
                "; circles: the paper's GRPO-D − GRPO, at the seeds that would find it on its own number of "
                "items, if its model's seeds spread as these"
            )
        below = [found]
    numbers, covered = seeds_and_spread(frame)
    lines = [
        f"means of {numbers} with 95 % intervals of {covered}; each method with the best of its candidate "
        f"settings{if_it_has_some(frame)}, chosen on validation items with other seeds",
        "right of a panel: the difference from the baseline (dashed line) in points, and p after Holm's "
        "correction; grey line: before training",
        "KL: to the reference, in nats, in the last tenth of the updates",
        *below,
    ]
    return alt.vconcat(*rows, spacing=34).resolve_scale(color="independent", stroke="independent"), lines


def _label(method: str, setting: str) -> str:
    """`kl-rising, end=1`: of the path of a setting only the last part."""
    parts = [part.partition("=") for part in setting.split("; ") if part]
    values = [f"{path.rpartition('.')[2]}={value}" for path, _, value in parts]
    return ", ".join([method_label(method), *values])


def _methods(of: pd.DataFrame, first: bool) -> alt.Y:
    axis = alt.Axis(labelLimit=0, ticks=False, domain=False, labels=first, labelFontSize=SIZE)
    return alt.Y("label:N", sort=list(of.label), title=None, axis=axis)


def _accuracies(of: pd.DataFrame, untrained: pd.DataFrame, first: bool) -> AnyChart:
    y = _methods(of, first)
    domain = domain_of(of.r1v_low, of.r1v_high, untrained.r1v_accuracy, from_zero=False)
    scale = alt.Scale(domain=list(domain), nice=False)
    name = str(of.tested_on.iloc[0])
    title = f"accuracy, {task_label(name)}"
    axis = alt.Axis(format=".0%" if domain[1] - domain[0] > 0.06 else ".1%", tickCount=5, grid=True)
    x = alt.X("r1v_accuracy:Q", title=title, scale=scale, axis=axis)
    said = [_difference(*row) for row in zip(of.difference, of.p_holm, strict=True)]
    base = alt.Chart(of.assign(said=said)).encode(y=y)
    baseline = of[of.difference.isna()]
    layers: list[alt.Chart] = [
        alt.Chart(untrained).mark_rule(color=FAINT, strokeWidth=3).encode(x=x),
        alt.Chart(baseline).mark_rule(color=QUIET, strokeDash=[4, 3]).encode(x=x),
        base.mark_rule(strokeWidth=1.6, color=INK).encode(x=alt.X("r1v_low:Q", scale=scale), x2="r1v_high:Q"),
        base.mark_point(filled=True, size=70, color="#0072B2", opacity=1).encode(x=x),
        base.mark_text(align="left", fontSize=SIZE - 1, color=INK).encode(
            x=alt.value(_WIDTH + 6), text="said:N"
        ),
    ]
    return alt.layer(*layers).properties(width=_WIDTH, height=alt.Step(_ROW))


def _difference(difference: float, p: float) -> str:
    if pd.isna(difference):
        return ""
    shown = f"{p:.2f}" if p >= 0.01 else "< 0.01"
    return f"{100 * difference:+.1f} (p {shown})".replace("-", "−")


def _kl(of: pd.DataFrame) -> AnyChart:
    measured = of[of.kl.notna()]
    y = _methods(of, first=False)
    base = alt.Chart(measured).encode(y=y)
    return alt.layer(
        base.mark_rule(strokeWidth=1.6, color=INK).encode(x=alt.X("kl_low:Q"), x2="kl_high:Q"),
        base.mark_point(filled=True, size=70, color="#D55E00", opacity=1).encode(
            x=alt.X("kl:Q", title="KL reached (nats)", axis=alt.Axis(tickCount=4, grid=True))
        ),
    ).properties(width=_WIDTH * 0.6, height=alt.Step(_ROW))


def _found_by_seeds(seeds: pd.DataFrame, own: dict[str, str]) -> AnyChart:
    pairs = seeds.trained_on.map(own).map(task_letters) + " → " + seeds.tested_on.map(task_letters)
    seeds = seeds.assign(pair=pairs)
    names = list(dict.fromkeys(pairs))
    colour = alt.Color("pair:N", title=None, scale=alt.Scale(domain=names, range=list(_LINES[: len(names)])))
    x = alt.X(
        "seeds:Q",
        title="seeds per method (logarithmic)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(values=[3, 5, 10, 20, 50, 100, 200, 500, 1000], format="d"),
    )
    y = alt.Y("detectable_difference:Q", title="smallest difference found", axis=alt.Axis(format=".0%"))
    lines = alt.Chart(seeds).mark_line(strokeWidth=1.8).encode(x=x, y=y, color=colour)
    points = seeds[seeds.paper_seeds_needed.notna()].drop_duplicates("pair")
    layers = [lines]
    if len(points):
        marks = (
            alt.Chart(points)
            .mark_point(**{**HOLLOW, "stroke": None})
            .encode(x=alt.X("paper_seeds_needed:Q"), y=alt.Y("paper_difference:Q"), stroke=colour)
        )
        layers.append(marks)
    return alt.layer(*layers).properties(width=520, height=200)
