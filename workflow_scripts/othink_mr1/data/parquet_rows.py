"""Sets in parquet files, as the hub has them: a picture, a question and an answer per row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from othink_mr1.config.sources import Columns
from othink_mr1.data.parquet_files import bounded_batches, image_column_fits, readable_parquet
from othink_mr1.data.row_to_example import RawRow
from othink_mr1.data.table_columns import DEFAULT_REASONING, wanted_columns
from othink_mr1.errors import UserError


def count_parquet_rows(files: Sequence[Path]) -> int:
    """The number of rows that the files declare. UserError if one is unreadable."""
    rows = 0
    for path in files:
        with readable_parquet(path) as file:
            rows += file.metadata.num_rows
    return rows


def read_parquet_rows(files: Sequence[Path], names: Columns) -> Iterator[RawRow]:
    """Yield the rows of parquet files with `datasets` image columns; a few rows in memory at a time.

    UserError if a file is unreadable or too large, or lacks a column.
    """
    reasoning = names.reasoning or DEFAULT_REASONING
    for path in files:
        with readable_parquet(path) as file:
            columns = _columns(file.schema_arrow, path, names)
            number = 0
            for batch in bounded_batches(file, columns):
                plain = {name: _without_dictionary(batch.column(name)) for name in columns}
                images = _images(plain[names.image])
                texts = {name: _texts(column) for name, column in plain.items() if name != names.image}
                for row in range(batch.num_rows):
                    yield RawRow(
                        where=f"{path.name} row {number}",
                        image=images[row].as_py() or None,
                        question=texts[names.question][row],
                        solution=texts[names.answer][row],
                        thinking=texts[reasoning][row] if reasoning in texts else None,
                    )
                    number += 1


def _columns(schema: pa.Schema, path: Path, names: Columns) -> list[str]:
    columns = wanted_columns(names, schema.names, path)
    for name in columns:
        if schema.names.count(name) > 1:
            raise UserError(f"{path}: has several columns {name!r}; is it the right set?")
        kind = schema.field(name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if name == names.image:
            fits, expected = image_column_fits(kind), "an image"
            if pa.types.is_list(kind) or pa.types.is_large_list(kind):
                expected = "one image; questions about several pictures cannot be asked"
        else:
            # Some writers give a column without any value the type null.
            fits, expected = kind in (pa.string(), pa.large_string(), pa.string_view(), pa.null()), "text"
            fits = fits or (name == names.answer and pa.types.is_integer(kind))
        if not fits:
            raise UserError(f"{path}: column {name!r} is {kind}, not {expected}; is it the right set?")
    return columns


def _without_dictionary(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _images(column: pa.Array) -> pa.Array:
    return pc.struct_field(column, "bytes") if pa.types.is_struct(column.type) else column


def _texts(column: pa.Array) -> list[str | None]:
    if pa.types.is_integer(column.type):
        column = column.cast(pa.string())
    # Not column.to_pylist(), which stops at the first row that is not UTF-8.
    return [
        None if value is None else value.decode("utf-8", "surrogateescape")
        for value in column.cast(pa.large_binary()).to_pylist()
    ]
