"""Sets in csv, jsonl or json files, with the path of a picture per row. The forms: docs/data.md.

Read by hand and not with pandas or `datasets`: these guess types, so that an answer 007 becomes 7 and NA
becomes nothing, and `datasets` keeps a copy below the user's home.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.manifests import unreadable
from othink_mr1.config.sources import Columns
from othink_mr1.data.images import LARGEST_FILE
from othink_mr1.data.row_to_example import LARGEST_TEXT, RawRow, UnusableRow
from othink_mr1.data.table_columns import DEFAULT_REASONING, wanted_columns
from othink_mr1.errors import UserError

LARGEST_LINE = 8 * 2**20  # bytes of a line of jsonl
LARGEST_JSON = 2**30  # bytes of a json file; it is read as a whole
SUFFIXES = (".csv", ".jsonl", ".json")

# Halves of surrogate pairs that only an escape of JSON names; the others stand for bytes that are not UTF-8.
_HALF_PAIR = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def read_text_rows(path: Path, names: Columns, within: Path | None = None) -> Iterator[RawRow]:
    """Yield the rows of a csv, jsonl or json file with their pictures, by paths relative to its folder.

    within: the folder in which the pictures must be; None: anywhere.
    UserError if the file is unreadable, or lacks a column; a row without a usable picture says so itself.
    """
    columns: list[str] = []
    for where, row in _rows(path):
        columns = columns or wanted_columns(names, list(row), path)
        yield raw_row(where, row, names, partial(_picture, folder=path.parent, within=within))


def raw_row(
    where: str, row: Mapping[str, Any], names: Columns, picture: Callable[[Any], bytes | None]
) -> RawRow:
    """A row of cells. picture: a cell -> its picture; the UnusableRow that it raises is noted in the row."""
    try:
        return RawRow(
            where=where,
            image=picture(row.get(names.image)),
            question=_text(row.get(names.question), "question"),
            solution=_text(row.get(names.answer), "answer"),
            thinking=_text(row.get(names.reasoning or DEFAULT_REASONING), "reasoning"),
        )
    except UnusableRow as error:
        return RawRow(where, None, None, None, None, error)


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        yield from {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".json": _json_rows}[path.suffix](path)
    except OSError as error:
        raise unreadable(path, error) from None


def _text(value: Any, what: str) -> str | None:
    """A cell as text; whole numbers as they are written. UnusableRow for anything else."""
    if isinstance(value, str) and _HALF_PAIR.search(value):
        raise UnusableRow(f"{what} is no UTF-8")
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise UnusableRow(f"{what} is no text", repr(value)[:80])


def one_picture(value: Any) -> Any:
    """The picture of a cell that may be a list. UnusableRow if it has several."""
    if isinstance(value, list):
        if len(value) > 1:
            raise UnusableRow("several pictures", f"{len(value)}; a question is about one")
        return value[0] if value else None
    return value


def read_picture(path: Path) -> bytes:
    """A picture's bytes. UnusableRow if there is no such file, or if it is too large to be one."""
    try:
        size = path.stat().st_size if path.is_file() else None
        data = path.read_bytes() if size is not None and size <= LARGEST_FILE else b""
    except OSError as error:
        raise UnusableRow("picture file cannot be read", f"{path}: {error}") from None
    if size is None:
        raise UnusableRow("no picture file", str(path))
    if size > LARGEST_FILE:
        raise UnusableRow("picture file too large", str(path))
    return data


def _picture(value: Any, folder: Path, within: Path | None) -> bytes | None:
    value = one_picture(value)
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise UnusableRow("picture is no path", repr(value)[:80])
    path = Path(os.path.normpath(folder / value))
    if within is not None and not path.is_relative_to(os.path.normpath(within)):
        raise UnusableRow("picture outside of the set", str(path))
    return read_picture(folder / value)


def _csv_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    csv.field_size_limit(4 * LARGEST_TEXT)
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        reader = csv.DictReader(lines, strict=True)
        try:
            head = reader.fieldnames or []
            if repeated := sorted({name for name in head if head.count(name) > 1}):
                raise UserError(f"{path.name}: its head has {repeated[0]!r} twice; correct the file")
            for row in reader:
                where = f"{path.name} line {reader.line_num}"
                if None in row or None in row.values():
                    raise UserError(f"{where}: has another number of cells than the head; correct the file")
                yield where, row
        except csv.Error as error:
            where = f"{path}: line {reader.line_num}"
            raise UserError(f"{where}: is no csv ({error}); correct the file") from None


def _jsonl_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with open(path, "rb") as lines:
        for number, line in enumerate(iter(partial(lines.readline, LARGEST_LINE), b""), start=1):
            where = f"{path.name} line {number}"
            if len(line) == LARGEST_LINE:
                raise UserError(f"{where}: has more than {LARGEST_LINE} bytes; is it an object per line?")
            if line.strip():
                yield where, _object(_parsed(line, where), where)


def _json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if path.stat().st_size > LARGEST_JSON:
        raise UserError(f"{path}: has more than {LARGEST_JSON >> 30} GB; write it as jsonl instead")
    rows = _parsed(path.read_bytes(), str(path))
    if not isinstance(rows, list):
        raise UserError(f"{path}: must be a list of objects, or jsonl, an object per line")
    for number, row in enumerate(rows, start=1):
        where = f"{path.name} row {number}"
        yield where, _object(row, where)


def _parsed(text: bytes, where: str) -> Any:
    try:
        return json.loads(text.decode("utf-8-sig", "surrogateescape"))
    except (ValueError, RecursionError) as error:  # ValueError: not JSON, or a number of thousands of digits
        raise UserError(f"{where}: is no JSON ({error}); correct the file") from None


def _object(row: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(row, dict):
        raise UserError(f"{where}: must be an object, got {row!r:.80}; correct the file")
    return row
