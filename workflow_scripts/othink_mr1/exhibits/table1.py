"""Table 1: same-task accuracy, ours with 95 % intervals beside the paper's, in Markdown and LaTeX.

Ours is given by the published scorer (r1v), as in the paper, by the exact one, and by r1v among the answers
that follow the format. The next column is the share of answers cut at max_new_tokens. A method that the
study tests with several settings has one row per setting.

As in the paper, the best method of each column is bold, and the strongest of the baselines underlined. Equal
values are marked alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from othink_mr1.exhibits.captions import caption, spread_line
from othink_mr1.exhibits.frames import by_setting, final, pooled
from othink_mr1.exhibits.labels import METHODS, method_label, method_styles, task_label, task_letters
from othink_mr1.exhibits.paper_numbers import r1v_note
from othink_mr1.exhibits.plans import TablePlan
from othink_mr1.exhibits.text import capital, latex_text

_ABSENT = "–"
# The columns of each task -> the frame's columns.
_COLUMNS = {
    "ours, r1v": "r1v_accuracy",
    "ours, exact": "exact_accuracy",
    "well-formed": "well_formed_accuracy",
    "cut": "truncated_share",
    "paper": "paper_accuracy",
}
_HEADS = tuple(_COLUMNS)


@dataclass(frozen=True)
class Cell:
    """A value as printed (percent, two decimals), its interval, and its emphasis."""

    value: str
    interval: str = ""
    best: bool = False
    strongest_baseline: bool = False


@dataclass(frozen=True)
class Table:
    """One block per backbone: its rows are methods, its columns per task those of _HEADS."""

    tasks: tuple[str, ...]
    blocks: tuple[tuple[str, tuple[tuple[str, tuple[Cell, ...]], ...]], ...]
    notes: tuple[str, ...]


def table1(frame: pd.DataFrame, plan: TablePlan) -> Table:
    """The table of a same-task frame. A method that was not run has a dash. plan: what it marks."""
    points = by_setting(pooled(final(frame)))
    points = points[(points.trained_on == "") | (points.trained_on == points.tested_on)]
    tasks = tuple(dict.fromkeys(points.tested_on))
    blocks = []
    for backbone, rows in points.groupby("backbone", sort=False):
        with_settings = {method.partition(",")[0] for method in rows.method if "," in method}
        methods = list(method_styles(({*METHODS} - with_settings) | {*rows.method}))
        columns = []
        for task in tasks:
            by_method = rows[rows.tested_on == task].set_index("method")
            columns += [_column(methods, by_method, of, plan.baselines) for of in _COLUMNS.values()]
        blocks.append((str(backbone), tuple(zip(methods, zip(*columns, strict=True), strict=True))))
    return Table(tasks, tuple(blocks), _notes(frame, plan))


def markdown(table: Table) -> str:
    """The table in Markdown; underlining is HTML, as Markdown has no syntax for it."""

    def cell(one: Cell) -> str:
        value = f"<u>{one.value}</u>" if one.strongest_baseline else one.value
        return (f"**{value}**" if one.best else value) + (f" {one.interval}" if one.interval else "")

    heads = [f"{task_letters(task)}, {head}" for task in table.tasks for head in _HEADS]
    lines = [f"| Accuracy (%) | {' | '.join(heads)} |", "|---|" + "---:|" * len(heads)]
    for backbone, rows in table.blocks:
        name = backbone.replace("|", "\\|")
        lines.append(f"| *{name}* |" + " |" * len(heads))
        lines += [f"| {method_label(method)} | {' | '.join(map(cell, cells))} |" for method, cells in rows]
    return "\n".join([*lines, "", *(f"{note}  " for note in table.notes)]) + "\n"


def latex(table: Table) -> str:
    """The table in LaTeX, as wide as the text, with its notes as a paragraph below."""

    def cell(one: Cell) -> str:
        value = rf"\underline{{{one.value}}}" if one.strongest_baseline else one.value
        value = rf"\textbf{{{value}}}" if one.best else value
        return (value + (rf" {{\footnotesize {one.interval}}}" if one.interval else "")).replace("–", "--")

    each, tasks = len(_HEADS), len(table.tasks)
    heads = [rf"\multicolumn{{{each}}}{{c}}{{{latex_text(task_letters(task))}}}" for task in table.tasks]
    rules = [rf"\cmidrule(lr){{{each * place + 2}-{each * place + each + 1}}}" for place in range(tasks)]
    lines = [
        r"% Made by make_table.py. Needs \usepackage{booktabs} and \usepackage{graphicx}.",
        r"\resizebox{\linewidth}{!}{%",
        r"\begin{tabular}{l" + "r" * each * tasks + "}",
        r"\toprule",
        r"Accuracy (\%) & " + " & ".join(heads) + r" \\",
        *rules,
        " & " + " & ".join(_HEADS * tasks) + r" \\",
    ]
    for backbone, rows in table.blocks:
        name = rf"\emph{{{latex_text(backbone)}}}"
        lines += [r"\midrule", rf"\multicolumn{{{each * tasks + 1}}}{{l}}{{{name}}} \\"]
        lines += [
            " & ".join([latex_text(method_label(method)), *map(cell, cells)]) + r" \\"
            for method, cells in rows
        ]
    notes = " ".join(map(latex_text, table.notes))
    lines += [r"\bottomrule", r"\end{tabular}}", "", rf"{{\par\footnotesize {notes}\par}}"]
    return "\n".join(lines) + "\n"


def _column(methods: list[str], rows: pd.DataFrame, of: str, baselines: Sequence[str]) -> list[Cell]:
    """of: a column of the frame with proportions; the paper's have no intervals."""
    values = rows[of].dropna().round(6)  # the csv's digits: values equal there are equal here
    name = of.removesuffix("_accuracy").removesuffix("_share")
    ranked = name != "truncated"
    compared = [method for method in values.index if method.partition(",")[0] in baselines]
    best, strongest = values.max(), values[compared].max()
    cells = []
    for method in methods:
        if method not in values.index:
            cells.append(Cell(_ABSENT))
            continue
        interval = ""
        if name != "paper":
            low, high = rows[f"{name}_low"][method], rows[f"{name}_high"][method]
            interval = f"[{100 * low:.1f}–{100 * high:.1f}]"
        cells.append(
            Cell(
                value=f"{100 * values[method]:.2f}",
                interval=interval,
                best=ranked and bool(values[method] == best),
                strongest_baseline=ranked and bool(method in compared and values[method] == strongest),
            )
        )
    return cells


def _notes(frame: pd.DataFrame, plan: TablePlan) -> tuple[str, ...]:
    printed = frame[frame.paper_accuracy.notna()]
    papers = ", ".join(dict.fromkeys(printed.paper_backbone + " (" + printed.paper_version + ")"))
    of_paper = (
        f"The paper's values are of its own backbone, {papers}, by r1v; it prints neither seeds nor intervals"
        f"{_paper_items(frame)}."
    )
    tasks = ", ".join(f"{task_letters(task)}: {task_label(task)}" for task in dict.fromkeys(frame.tested_on))
    ours, *remarks = caption(frame, dots=False)
    baselines = ", ".join(map(method_label, plan.baselines))
    underlined = f"; underlined: strongest baseline ({baselines})" if baselines else ""
    return (
        f"{tasks}. {ours}. Brackets: 95 % intervals of {spread_line(frame)}.",
        *([of_paper] if papers else []),
        "r1v: the published scorer, its faults included. exact: the answer tag alone, compared by value.",
        f"Well-formed: of the answers that follow the format alone{_well_formed(frame)}. Cut: answers that "
        "were cut at max_new_tokens.",
        f"Bold: best of the column{underlined}.",
        *r1v_note(dict.fromkeys(frame.tested_on)),
        *(f"{capital(line)}." for line in remarks),
        *([plan.note] if plan.note else []),
    )


def _well_formed(frame: pd.DataFrame) -> str:
    """The numbers of answers that follow the format."""
    points = by_setting(pooled(final(frame)))
    counts = [
        f"{method_label(row['method'])} {task_letters(row['tested_on'])} {row['well_formed']}"
        for row in points.to_dict("records")
    ]
    return f" ({', '.join(counts)})"


def _paper_items(frame: pd.DataFrame) -> str:
    sizes = frame.groupby("tested_on", sort=False).paper_items.max().dropna()
    return "".join(f"; {task_letters(str(task))}: {items:.0f} items" for task, items in sizes.items())
