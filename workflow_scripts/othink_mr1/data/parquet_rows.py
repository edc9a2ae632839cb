"""Training sets: parquet files with the columns image, problem, solution and sometimes thinking."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from othink_mr1.artefacts.verification import visible_files
from othink_mr1.data.parquet_files import bounded_batches, image_column_fits, readable_parquet
from othink_mr1.data.row_to_example import RawRow
from othink_mr1.errors import UserError

REQUIRED_COLUMNS = ("image", "problem", "solution")
OPTIONAL_COLUMNS = ("thinking",)
# `test-00000-of-00001.parquet`, `validation/0000.parquet`; short names only as whole words, not `values`.
_SPLIT = re.compile(r"(?P<train>train)|test|valid|eval|(?:val|dev)(?![a-z])", re.IGNORECASE)


def parquet_files(folder: Path) -> list[Path]:
    """The training split's files in order. UserError if there are none."""
    files = [path for path in visible_files(folder) if path.suffix == ".parquet"]
    if not files:
        raise UserError(f"{folder}: has no parquet file; download or render the set again")
    return [path for path in files if _is_training(path.relative_to(folder))] or files


def _is_training(path: Path) -> bool:
    """Repositories with several splits name files or folders after them; the innermost such name counts."""
    for part in reversed(path.parts):
        if found := _SPLIT.match(part):
            return found["train"] is not None
    return False


def count_parquet_rows(files: Sequence[Path]) -> int:
    """The number of rows that the files declare. UserError if one is unreadable."""
    rows = 0
    for path in files:
        with readable_parquet(path) as file:
            rows += file.metadata.num_rows
    return rows


def read_parquet_rows(files: Sequence[Path]) -> Iterator[RawRow]:
    """Yield the rows of parquet files with `datasets` image columns; a few rows in memory at a time.

    UserError if a file is unreadable or too large, or lacks a column.
    """
    for path in files:
        with readable_parquet(path) as file:
            columns = _columns(file.schema_arrow, path)
            number = 0
            for batch in bounded_batches(file, columns):
                plain = {name: _without_dictionary(batch.column(name)) for name in columns}
                images = _images(plain["image"])
                texts = {name: _texts(column) for name, column in plain.items() if name != "image"}
                for row in range(batch.num_rows):
                    yield RawRow(
                        where=f"{path.name} row {number}",
                        image=images[row].as_py() or None,
                        question=texts["problem"][row],
                        solution=texts["solution"][row],
                        thinking=texts["thinking"][row] if "thinking" in texts else None,
                    )
                    number += 1


def _columns(schema: pa.Schema, path: Path) -> list[str]:
    missing = [name for name in REQUIRED_COLUMNS if name not in schema.names]
    if missing:
        raise UserError(f"{path}: has no column {missing[0]!r}; its columns are {', '.join(schema.names)}")
    columns = [name for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if name in schema.names]
    for name in columns:
        if schema.names.count(name) > 1:
            raise UserError(f"{path}: has several columns {name!r}; is it the right set?")
        kind = schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if name == "image":
            fits, expected = image_column_fits(kind), "an image"
        else:
            # Some writers give a column without any value the type null.
            fits, expected = kind in (pa.string(), pa.large_string(), pa.string_view(), pa.null()), "text"
        if not fits:
            raise UserError(f"{path}: column {name!r} is {kind}, not {expected}; is it the right set?")
    return columns


def _without_dictionary(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _images(column: pa.Array) -> pa.Array:
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column


def _texts(column: pa.Array) -> list[str | None]:
    # Not column.to_pylist(), which stops at the first row that is not UTF-8.
    return [
        None if value is None else value.decode("utf-8", "surrogateescape")
        for value in column.cast(pa.large_binary()).to_pylist()
    ]
