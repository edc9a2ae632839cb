"""Preparation: from either raw form to the one schema of examples.parquet, real and rendered sets alike.

Test rows are never left out. Unusable training rows are left out, counted and listed; too many of them stop
the preparation.
"""

from __future__ import annotations

import csv
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.artefact import filling
from othink_mr1.artefacts.atomic_files import written_aside
from othink_mr1.artefacts.manifests import read_manifest
from othink_mr1.artefacts.verification import verify_folder
from othink_mr1.csv_cells import guarded
from othink_mr1.data.bounds import bounded_time, too_much_memory
from othink_mr1.data.content import Content
from othink_mr1.data.examples import EXAMPLES_FILE, Example, write_examples
from othink_mr1.data.in_order import in_order
from othink_mr1.data.progress import Progress
from othink_mr1.data.prompt_rows import read_prompt_rows
from othink_mr1.data.row_to_example import RawRow, RowLimits, UnusableRow, row_to_example
from othink_mr1.data.tables import Table
from othink_mr1.errors import UserError, first_line
from othink_mr1.plan.download_lock import LOCK_FILE

UNUSABLE_FILE = "unusable_rows.csv"  # row: its number in the raw set, from 0, as in an example's id


def prepare_dataset(
    source: Table | Sequence[Path],
    out: Path,
    limits: RowLimits,
    largest_unusable_share: float,
    expect_rows: int | None = None,
    threads: int = 1,
    check_gold: Callable[[str], None] = lambda gold: None,
    sha256: str | None = None,
) -> int:
    """Prepare a set as `out`/examples.parquet and finish the folder with a manifest. Returns the row count.

    source: a table, or the folders of R1-V's prompts and of their images (perhaps the same one).
    largest_unusable_share: of the set's rows, 0 to 1; 0 for a test set. expect_rows: the number that the raw
    set must have, None if unknown. check_gold: raises UserError if the scorers of the tasks that use the set
    accept no answer for a gold. sha256: of the rows' content (content.py), if it is a local set's. The result
    does not depend on `threads`. A complete folder is left unchanged.
    UserError if a raw file is damaged, if the set has another content or number of rows, or if too many rows
    are unusable; `out`/unusable_rows.csv then lists them.
    """
    started = time.perf_counter()
    is_table = isinstance(source, Table)
    raw = [source.place] if isinstance(source, Table) else list(dict.fromkeys(source))
    for folder in raw if sha256 is None else ():  # a local set has no manifest
        verify_folder(folder)
    if isinstance(source, Table):
        # A download's manifest says nothing of pictures elsewhere; a local set's sha256 is of them too.
        rows, expected = source.rows(source.place if sha256 is None else None)
    else:
        rows, expected = read_prompt_rows(raw), expect_rows
    content = Content()
    if sha256 is not None:
        rows = content.over(rows)
    # Without the threshold: it only decides whether a set is made, and changes no row.
    identity: dict[str, Any] = {
        "form": "table" if is_table else "prompts",
        "max_pixels": limits.max_pixels,
        "max_prompt_tokens": limits.max_prompt_tokens,
    }
    if sha256 is not None:
        identity["content"] = sha256
    with _writing(out), filling(out, identity) as artefact:
        if artefact.complete:
            return int(read_manifest(out)["rows"])
        progress = Progress(f"prepare {out.name}", expected)
        where = ", ".join(map(str, raw))
        # In memory: the pictures that the threads process, those read ahead, and the row group being written.
        attempts = in_order(
            lambda numbered: _attempt(*numbered, limits, check_gold),
            enumerate(progress.over(_readable(rows, where, is_table))),
            threads,
            size=lambda numbered: len(numbered[1].image or b""),
        )
        unusable: Counter[str] = Counter()
        most = largest_unusable_share if is_table else 0.0
        judged = _judged(attempts, unusable, out / UNUSABLE_FILE, most, expect_rows, where)
        # Closed at once after an error: the report is open, and threads may be running.
        with closing(attempts), closing(judged) as examples:
            count = write_examples(examples, out / EXAMPLES_FILE)
        if sha256 not in (None, content.sha256):
            (out / EXAMPLES_FILE).unlink()
            raise UserError(
                f"{where}: its content has sha256 {content.sha256}, not {sha256} as in the config or "
                f"{LOCK_FILE}; bring the former data back, or correct that entry, which makes new runs: "
                "delete it and run lock_local_data.py again, or write the new sha256 into the config"
            )
        if unusable:
            print(f"{where}: {unusable.total()} rows left out: {_summary(unusable)}", file=sys.stderr)
        artefact.finish(
            largest_unusable_share=largest_unusable_share,
            raw_rows=count + unusable.total(),
            rows=count,
            unusable=dict(sorted(unusable.items())),
            threads=threads,
            wall_seconds=round(time.perf_counter() - started, 3),
        )
    return count


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """Say what to do if the folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{out}: cannot be written ({first_line(error)}); make room on that disk, or change who may "
            "write there, and try again"
        ) from None


def _readable(rows: Iterator[RawRow], where: str, is_table: bool) -> Iterator[RawRow]:
    """The rows; an error of reading them must not be reported as one of writing."""
    try:
        while True:
            # Not of prompts: before their first row all archives are searched, which are bounded otherwise.
            with bounded_time(where) if is_table else nullcontext():
                row = next(rows, None)
            if row is None:
                return
            yield row
    except OSError as error:
        raise UserError(
            f"{where}: cannot be read ({first_line(error)}); check that disk and try again"
        ) from None


def _attempt(
    number: int, row: RawRow, limits: RowLimits, check_gold: Callable[[str], None]
) -> tuple[int, str, Example | UnusableRow]:
    """A row's number and place, and its result."""
    try:
        with bounded_time(row.where):
            example = row_to_example(row, number, limits)
    except UnusableRow as error:
        return number, row.where, error
    except MemoryError:  # no reason to leave the row out: it may be for what other threads have in hand
        raise too_much_memory(row.where) from None
    try:
        with bounded_time(row.where, "judge its gold; correct the task's scorer"):
            check_gold(example.gold)
    except UserError as error:
        return number, row.where, UnusableRow("no answer can meet its gold", str(error))
    return number, row.where, example


def _judged(
    attempts: Iterator[tuple[int, str, Example | UnusableRow]],
    unusable: Counter[str],
    report: Path,
    most: float,
    expect_rows: int | None,
    where: str,
) -> Generator[Example, None, None]:
    """The examples. The other rows are counted in `unusable`, by reason, and listed in the report.

    After the last row the set is checked; an error then leaves no examples file.
    """
    count, first = 0, ""
    # Written at once, not collected in a list: all rows may be unusable. backslashreplace: a file's name need
    # not be UTF-8.
    with (
        written_aside(report) as aside,
        open(aside, "w", encoding="utf-8", errors="backslashreplace", newline="") as stream,
    ):
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(("row", "where", "reason"))
        for number, place, outcome in attempts:
            count += 1
            if isinstance(outcome, Example):
                yield outcome
                continue
            reason, detail = str(outcome), outcome.detail
            unusable[reason] += 1
            table.writerow((number, guarded(place), f"{reason}: {detail}" if detail else reason))
            if detail and not first:
                first = f", first row {number} ({place}): {detail}"
    if unusable.total() > most * count:
        allowed = f"at most {most:.2%} may be left out" if most else "none may be left out"
        # Of a test set none may be left out, whatever the config says.
        raising = ", or raise preparation.largest_unusable_share in config.yaml" if most else ""
        raise UserError(
            f"{where}: {unusable.total()} of {count} rows cannot be used, {allowed} ({_summary(unusable)})"
            f"{first}; {report} lists them; correct the source{raising}"
        )
    if expect_rows is not None and count != expect_rows:
        raise UserError(
            f"{where}: has {count} rows, expected {expect_rows}; check the source and its expect_rows in "
            "config.yaml"
        )
    if unusable.total() == count:
        raise UserError(f"{where}: has no usable row ({count} rows); check the source in config.yaml")


def _summary(unusable: Counter[str]) -> str:
    """`2 × no answer, 1 × unreadable image`: the most frequent reason first."""
    ordered = sorted(unusable.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} × {reason}" for reason, count in ordered)
