"""The distribution of a set's gold answers: by number if all are small integers, else by form."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping

import altair as alt
import pandas as pd

from othink_mr1.exhibits.figure_files import AnyChart
from othink_mr1.exhibits.labels import task_label
from othink_mr1.exhibits.theme import QUIET, SIZE

MOST_NUMBERS = 40  # the most bars per set that fit in a chart
_ROOMY = 12  # the most bars per set that are labelled with their rows
OTHER = "other"
_NUMBER = r"[-+−]?\d+(?:[.,]\d+)?"
# Form -> pattern, tried in this order: `π/2` and `3√2π` are "with π".
FORMS: dict[str, re.Pattern[str]] = {
    "with π": re.compile(r".*(?:π|\\pi).*", re.DOTALL),
    "with root": re.compile(r".*(?:√|\\sqrt).*", re.DOTALL),
    "degrees": re.compile(rf"{_NUMBER}\s*(?:°|º|度|degrees?|\^\\?circ|\^{{\\circ}})"),
    "number": re.compile(_NUMBER),
    "fraction": re.compile(rf"{_NUMBER}\s*/\s*\d+|[-+−]?\\d?frac\s*{{\d+}}\s*{{\d+}}"),
    "with unit": re.compile(rf"{_NUMBER}\s*[^\W\d_]+[²³]?"),
}
_WHOLE = re.compile(r"\d{1,3}")
# Different from the methods' colours, as these are data sets.
_COLOURS = ("#999999", "#332288")


def form_of(gold: str) -> str:
    """The form of an answer: one of FORMS, or OTHER."""
    text = gold.strip().strip("$")
    return next((name for name, pattern in FORMS.items() if pattern.fullmatch(text)), OTHER)


def answer_distribution(golds: Mapping[str, Counter[str]]) -> pd.DataFrame:
    """Columns set, answer, rows, share (of the set's rows, 0..1): one row per set and bar, in their order.

    golds: name of a set -> its gold answers, counted. Every number from the smallest to the largest has a
    bar, even if it does not occur. A form has a bar only if it occurs.
    """
    different = {gold for counted in golds.values() for gold in counted}
    by_number = are_small_numbers(different)
    if by_number:
        numbers = [int(gold) for gold in different]
        order = [str(number) for number in range(min(numbers), max(numbers) + 1)]
    else:
        forms = {form_of(gold) for gold in different}
        order = [form for form in (*FORMS, OTHER) if form in forms]
    rows = []
    for name, counted in golds.items():
        bars: Counter[str] = Counter()
        for gold, count in counted.items():
            bars[str(int(gold)) if by_number else form_of(gold)] += count
        rows += [
            {"set": name, "answer": answer, "rows": bars[answer], "share": bars[answer] / counted.total()}
            for answer in order
        ]
    return pd.DataFrame(rows, columns=["set", "answer", "rows", "share"])


def are_small_numbers(golds: Collection[str]) -> bool:
    """Whether all answers are integers, and close enough together for one bar each."""
    if not all(map(_WHOLE.fullmatch, golds)):
        return False
    numbers = [int(gold) for gold in golds]
    return max(numbers) - min(numbers) < MOST_NUMBERS


def answer_chart(frame: pd.DataFrame, task: str) -> AnyChart:
    """Bars of answer_distribution()'s frame, a colour per set, labelled with their rows if there is room."""
    order, sets = list(dict.fromkeys(frame.answer)), list(dict.fromkeys(frame.set))
    by_number, crowded = are_small_numbers(order), len(order) > _ROOMY
    said = "bars: share of the set" + ("" if crowded else "; above them: rows")
    colour = alt.Color("set:N", scale=alt.Scale(domain=sets, range=list(_COLOURS)), title=said)
    x = alt.X("answer:N", sort=order, title="gold answer" if by_number else "form of the gold answer")
    scale = alt.Scale(domain=[0, 1.1 * frame.share.max()], nice=False)
    # The axis leaves room for the numbers above the highest bar; a label of 110 % there would be wrong.
    axis = alt.Axis(tickCount=6, labelExpr="datum.value > 1.0001 ? '' : format(datum.value, '.0%')")
    y = alt.Y("share:Q", title=None, scale=scale, axis=axis)
    side = alt.XOffset("set:N", sort=sets)
    layers: list[alt.Chart] = [alt.Chart(frame).mark_bar().encode(x=x, xOffset=side, y=y, color=colour)]
    if not crowded:
        text = alt.Chart(frame).mark_text(baseline="bottom", dy=-2, fontSize=SIZE - 2, color=QUIET)
        layers.append(text.encode(x=x, xOffset=side, y=y, text=alt.Text("rows:Q", format=",")))
    width = len(order) * (24 if crowded else 72)
    return alt.layer(*layers).properties(width=width, height=220, title=f"Gold answers of {task_label(task)}")
