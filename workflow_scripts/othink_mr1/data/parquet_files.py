"""Parquet files, a few rows at a time: writing ours, and reading those from the network within limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from othink_mr1.data.bounds import too_much_memory
from othink_mr1.errors import UserError, first_line

READ_BUFFER = 2**20
# Limits for the texts and lists of a file's footer (schema, row groups).
LARGEST_FOOTER_TEXT = 16 * 2**20
MOST_FOOTER_ENTRIES = 1_000_000
MOST_ROWS = 10_000_000
LARGEST_ROW_GROUP = 4 * 2**30  # bytes, unpacked; the hub's have some ten million
# Unpacked bytes per stored byte; the files are mostly pictures, which are already compressed.
LARGEST_RATIO = 100
RATIO_FREE = 256 * 2**20
MOST_ROWS_AT_ONCE = 32
# Bytes of a batch in the worst case: a column's dictionary repeats one long value in every row.
BYTES_AT_ONCE = 256 * 2**20


def write_rows(
    file: Path, rows: Iterable[Mapping[str, Any]], schema: pa.Schema, at_once: int, compression: str = "zstd"
) -> int:
    """Write rows as parquet, `at_once` of them in memory and in a row group. Returns their number."""
    stream = iter(rows)
    count = 0
    with pq.ParquetWriter(file, schema, compression=compression) as writer:
        while chunk := list(islice(stream, at_once)):
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema))
            count += len(chunk)
    return count


@contextmanager
def readable_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a parquet file. UserError, also from reading within the block, if it is damaged or too large."""
    try:
        with pq.ParquetFile(
            path,
            # Pages are read as they are needed; by default, a whole row group would be in memory.
            pre_buffer=False,
            buffer_size=READ_BUFFER,
            thrift_string_size_limit=LARGEST_FOOTER_TEXT,
            thrift_container_size_limit=MOST_FOOTER_ENTRIES,
        ) as file:
            _check(file.metadata, path)
            yield file
    except MemoryError:  # pyarrow's, too
        raise too_much_memory(str(path)) from None
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError) as error:
        raise UserError(
            f"{path}: is no readable parquet file ({first_line(error)}); download it again"
        ) from None


def bounded_batches(file: pq.ParquetFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yield the file's rows in order, in batches so small that no row group can fill the memory."""
    for group in range(file.num_row_groups):
        rows = BYTES_AT_ONCE // max(1, file.metadata.row_group(group).total_byte_size)
        at_once = max(1, min(MOST_ROWS_AT_ONCE, rows))
        yield from file.iter_batches(batch_size=at_once, row_groups=[group], columns=list(columns))


def image_column_fits(kind: pa.DataType) -> bool:
    """Whether a column can be of images: bytes, or a struct that contains them, as `datasets` writes."""
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    return kind in (pa.binary(), pa.large_binary(), pa.binary_view())


def _check(metadata: pq.FileMetaData, path: Path) -> None:
    if metadata.num_rows > MOST_ROWS:
        raise UserError(
            f"{path}: declares {metadata.num_rows} rows, at most {MOST_ROWS}; "
            "correct `files` of its source in config.yaml"
        )
    stored = path.stat().st_size
    for group in range(metadata.num_row_groups):
        # Of the whole group: asking for a single column's size kills the process if the file is damaged.
        unpacked = metadata.row_group(group).total_byte_size
        if not 0 <= unpacked <= min(LARGEST_ROW_GROUP, max(RATIO_FREE, LARGEST_RATIO * stored)):
            raise UserError(
                f"{path}: row group {group} declares {unpacked} bytes, in a file of {stored}; "
                "correct `files` of its source in config.yaml"
            )
