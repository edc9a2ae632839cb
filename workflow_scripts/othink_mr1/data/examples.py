"""Prepared examples: one schema for all sets, real and rendered, training and test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from othink_mr1.artefacts.atomic_files import written_aside
from othink_mr1.artefacts.verification import is_artefact, verify_file
from othink_mr1.data.parquet_files import write_rows
from othink_mr1.errors import UserError, first_line

EXAMPLES_FILE = "examples.parquet"
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("image", pa.binary(), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("gold", pa.string(), nullable=False),
        pa.field("reasoning", pa.string()),
    ]
)
# Rows held in memory at a time, when writing and when reading. Images of 401408 pixels take about 0.5 MB.
CHUNK = 64


@dataclass(frozen=True)
class Example:
    """One question about one picture.

    image: PNG or JPEG, to be read as RGB; gold: the answer's text without tags, e.g. `145°`, `7`;
    reasoning: text without <think> tags, or None if the set has none.
    """

    id: str
    image: bytes
    question: str
    gold: str
    reasoning: str | None


def write_examples(examples: Iterable[Example], path: Path) -> int:
    """Write examples as parquet, atomically; equal examples give equal bytes. Returns their number."""
    with written_aside(path) as aside:
        return write_rows(aside, map(asdict, examples), SCHEMA, CHUNK)


def read_examples(path: Path) -> Iterator[Example]:
    """Yield a prepared set's examples in order, a few in memory at a time. UserError as in read_batches."""
    for batch in read_batches(path):
        for row in batch.to_pylist():
            yield Example(**row)


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a prepared set in order, CHUNK at a time.

    UserError if it is missing, damaged, not a prepared set, or does not match its manifest. A set made by
    hand has no manifest.
    """
    # Nothing else would detect a flipped byte in a picture before hours of training are spent on it.
    if is_artefact(path.parent):
        verify_file(path)
    return _batches(path)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        # By default, the file's pages would stay in memory after they are read.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            if not file.schema_arrow.equals(SCHEMA):
                names = ", ".join(file.schema_arrow.names)
                raise UserError(f"{path}: is no prepared set; its columns are {names}")
            yield from file.iter_batches(batch_size=CHUNK)
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; prepare the set first") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: is damaged ({first_line(error)}); delete its folder and run snakemake to prepare it "
            "again"
        ) from None
