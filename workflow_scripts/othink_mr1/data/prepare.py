"""Preparation: from either raw form to the one schema of examples.py, real and rendered sets alike."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from othink_mr1.data.examples import EXAMPLES_FILE, Example, write_examples
from othink_mr1.data.images import UnusableImage, bounded_image
from othink_mr1.data.progress import Progress
from othink_mr1.data.raw_forms import RawRow, parquet_files, read_parquet_rows, read_prompt_rows
from othink_mr1.errors import UserError
from othink_mr1.study.artefacts import finish_folder, start_folder

Form = Literal["parquet", "prompts"]

_ANSWER = re.compile(r"\s*<answer>(.*?)</answer>\s*", re.DOTALL)
_THINK = re.compile(r"\s*<think>(.*?)</think>\s*", re.DOTALL)
_TAG = re.compile(r"</?(?:answer|think)>")


class UnusableRow(ValueError):
    """A row that gives no example; the message is the reason."""


def prepare_dataset(
    form: Form, raw: Sequence[Path], out: Path, max_pixels: int, expect_rows: int | None
) -> int:
    """Prepare a set into `out`/examples.parquet and finish the folder with a manifest; returns the rows.

    form: `parquet` (training sets) or `prompts` (R1-V's jsonl, images in the same or another raw folder).
    max_pixels: larger images are shrunk. expect_rows: the number that the set must have, None if unknown.
    UserError if a row cannot be used (rows are never dropped in silence), or if their number is another one.
    """
    started = time.perf_counter()
    start_folder(out)
    where = ", ".join(map(str, raw))
    rows: Iterator[RawRow]
    if form == "parquet":
        rows = read_parquet_rows([file for folder in raw for file in parquet_files(folder)])
    else:
        rows = read_prompt_rows(raw)
    examples = _examples(Progress(f"prepare {out.name}", expect_rows).over(rows), max_pixels, where)
    count = write_examples(examples, out / EXAMPLES_FILE)
    if count == 0 or (expect_rows is not None and count != expect_rows):
        (out / EXAMPLES_FILE).unlink()
        raise UserError(f"{where}: has {count} rows, expected {expect_rows or 'some'}; is it the right set?")
    finish_folder(
        out,
        form=form,
        max_pixels=max_pixels,
        rows=count,
        wall_seconds=round(time.perf_counter() - started, 3),
    )
    return count


def example_of(row: RawRow, number: int, max_pixels: int) -> Example:
    """One raw row as an example. UnusableRow with the reason."""
    if not row.image:
        raise UnusableRow("no image")
    if not row.question or not row.question.strip():
        raise UnusableRow("no question")
    try:
        image = bounded_image(row.image, max_pixels)
    except UnusableImage as error:
        raise UnusableRow(str(error)) from error
    gold = _inner(_ANSWER, row.solution, "solution")
    if gold is None:
        raise UnusableRow("no answer")
    return Example(f"{number:06d}", image, row.question, gold, _inner(_THINK, row.thinking, "thinking"))


def _examples(rows: Iterator[RawRow], max_pixels: int, where: str) -> Iterator[Example]:
    """Examples of the rows; all rows are looked at, so that one message counts all that is wrong."""
    reasons: Counter[str] = Counter()
    first = ""
    for number, row in enumerate(rows):
        try:
            example = example_of(row, number, max_pixels)
        except UnusableRow as error:
            first = first or row.where
            reasons[str(error)] += 1
            continue
        yield example
    if reasons:
        counts = ", ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items()))
        raise UserError(f"{where}: {reasons.total()} rows cannot be used ({counts}; first: {first})")


def _inner(tag: re.Pattern[str], text: str | None, what: str) -> str | None:
    """The text within the tag, or all of it where it has no tag; None if there is none."""
    if text is None:
        return None
    match = tag.fullmatch(text)
    inner = (match[1] if match else text).strip()
    # `<answer> 1 </answer> <answer> 2 </answer>`, half a tag, a <think> in the answer …
    if _TAG.search(inner):
        raise UnusableRow(f"{what} with stray tags")
    return inner or None
