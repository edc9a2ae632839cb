"""The tables of docs/speed.md, from the csv files: no number there is written by hand.

    PYTHONPATH=workflow_scripts python -m benchmarks.speed.tables results/bench [--page docs/speed.md]

Without --page the tables are printed. With it they replace what stands between `<!-- NAME -->` and
`<!-- end -->` in the page, and csv files and charts are copied into the folder of the page's name beside it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.speed.labels import PHASES, SYSTEMS
from benchmarks.speed.rounds import phase_columns
from othink_mr1.artefacts.atomic_files import write_text, written_aside


def main() -> None:
    """Print the tables, or put them into the page."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.speed.tables",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="what the benchmark wrote")
    parser.add_argument("--page", type=Path)
    arguments = parser.parse_args()
    tables = {name: table(arguments.folder) for name, table in TABLES.items()}
    if arguments.page is None:
        print("\n\n".join(f"{name}\n\n{table}" for name, table in tables.items()))
        return
    write_text(arguments.page, filled(arguments.page.read_text(encoding="utf-8"), tables))
    copies = arguments.page.with_suffix("")
    for path in sorted(arguments.folder.iterdir()):
        if path.suffix in {".csv", ".json", ".svg", ".png"} and not path.name.startswith("."):
            with written_aside(copies / path.name) as aside:
                shutil.copyfile(path, aside)


def filled(page: str, tables: dict[str, str]) -> str:
    """The page with its tables replaced. ValueError if it lacks the place of one."""
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, found, rest = page.partition(start)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"the page has no place {start.strip()} … {end}")
        page = f"{before}{start}\n{table}\n\n{end}{after}"
    return page


def machine_table(folder: Path) -> str:
    """What measured."""
    facts = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
    commit = str(facts["commit"])
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    rows = [
        ("processor", f"{facts['processor']}, {facts['cores']} cores, {facts['memory_gb']} GB"),
        ("threads", str(facts["threads"])),
        ("sgemm peak", f"{facts['sgemm_peak'] / 1e9:.0f} GFLOP/s"),
        ("packages", f"Python {facts['python']}, {packages}"),
        ("commit", f"`{commit[:12]}`" + (" and changes" if commit.endswith("+") else "")),
    ]
    return _markdown(["", ""], rows)


def step_table(folder: Path, name: str) -> str:
    """Seconds, ratios and the floor of each system on each case."""
    rows = pd.read_csv(folder / f"{name}.csv")
    return _markdown(
        [
            "case",
            "system",
            "seconds: min / median / max",
            "ratio of medians",
            "by round",
            "share of peak",
        ],
        [
            (
                row["case"],
                SYSTEMS[row["system"]],
                _spread(row),
                "" if row["system"] == "ours" else f"**{row['ratio_of_medians']:.2f}**",
                "" if row["system"] == "ours" else f"{row['median_of_ratios']:.2f}",
                f"{row['share_of_peak']:.0%}",
            )
            for row in rows.to_dict("records")
        ],
    )


def _spread(row: dict[Hashable, Any]) -> str:
    minimum, median, maximum = (row[f"{name}_seconds"] for name in ("minimum", "median", "maximum"))
    return f"{minimum:.3f} / **{median:.3f}** / {maximum:.3f}"


def phase_table(folder: Path, name: str) -> str:
    """Median seconds of each phase."""
    rows = pd.read_csv(folder / f"{name}.csv")
    columns = sorted(phase_columns(rows), key=lambda column: list(PHASES).index(_phase(column)))
    return _markdown(
        ["case", "system", *(PHASES[_phase(column)].label for column in columns), "floor at peak"],
        [
            (
                row["case"],
                SYSTEMS[row["system"]],
                *("" if pd.isna(row[column]) else f"{row[column]:.3f}" for column in columns),
                f"{row['floor_seconds']:.3f}",
            )
            for row in rows.to_dict("records")
        ],
    )


def memory_table(folder: Path) -> str:
    """Growth to the peak within a step."""
    rows = pd.read_csv(folder / "memory.csv")
    return _markdown(
        ["case", "system", "MB before", "growth, MB", "ratio to ours"],
        [
            (
                row["case"],
                SYSTEMS[row["system"]],
                f"{row['before_megabytes']:.0f}",
                f"**{row['growth_megabytes']:.0f}**",
                "" if row["system"] == "ours" else f"**{row['ratio']:.2f}**",
            )
            for row in rows.to_dict("records")
        ],
    )


def scaling_table(folder: Path) -> str:
    """Medians of every value of every sweep."""
    rows = pd.read_csv(folder / "scaling.csv")
    lines = []
    for (sweep, value), of_value in rows.groupby(["sweep", "value"], sort=False):
        by_system = of_value.set_index("system")
        ours, trl = by_system.loc["ours"], by_system.loc["trl"]
        lines.append(
            (
                f"{str(sweep).replace('_', ' ')} {value}",
                f"{ours['median_seconds']:.3f}",
                f"{trl['median_seconds']:.3f}",
                f"**{trl['ratio_of_medians']:.2f}**",
                f"{ours['floor_seconds']:.3f}",
                f"{ours['share_of_peak']:.0%}",
            )
        )
    header = ["varied", "this project, s", "TRL 1.16, s", "ratio", "floor at peak, s", "our share of peak"]
    return _markdown(header, lines)


TABLES: dict[str, Callable[[Path], str]] = {
    "machine": machine_table,
    "grpo": lambda folder: step_table(folder, "grpo_step"),
    "grpo phases": lambda folder: phase_table(folder, "grpo_step"),
    "memory": memory_table,
    "evaluation": lambda folder: step_table(folder, "evaluation"),
    "sft": lambda folder: step_table(folder, "sft"),
    "sft phases": lambda folder: phase_table(folder, "sft"),
    "scaling": scaling_table,
}


def _phase(column: str) -> str:
    return column.removesuffix("_seconds")


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
