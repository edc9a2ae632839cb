"""Prepared examples: one schema for all sets, real and rendered, training and test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from othink_mr1.artefacts.atomic_files import written_aside
from othink_mr1.artefacts.verification import is_artefact, verify_file
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
    reasoning: text without <think> tags, or None where the set has none.
    """

    id: str
    image: bytes
    question: str
    gold: str
    reasoning: str | None


def write_examples(examples: Iterable[Example], path: Path) -> int:
    """Write examples as parquet, atomically; the same examples give the same bytes. Returns their number."""
    stream = iter(examples)
    rows = 0
    with written_aside(path) as aside, pq.ParquetWriter(aside, SCHEMA, compression="zstd") as writer:
        while chunk := list(islice(stream, CHUNK)):
            writer.write_table(pa.Table.from_pylist([asdict(example) for example in chunk], schema=SCHEMA))
            rows += len(chunk)
    return rows


def read_examples(path: Path) -> Iterator[Example]:
    """Yield the examples of a prepared set in order, a few in memory at a time.

    UserError if it is none, or not what its manifest says; a set made by hand has none.
    """
    if is_artefact(path.parent):
        verify_file(path)
    with prepared_set_errors(path), pq.ParquetFile(path) as file:
        check_schema(file, path)
        for batch in file.iter_batches(batch_size=CHUNK):
            for row in batch.to_pylist():
                yield Example(**row)


def check_schema(file: pq.ParquetFile, path: Path) -> None:
    """UserError if the columns are not those of a prepared set."""
    if not file.schema_arrow.equals(SCHEMA):
        raise UserError(f"{path}: is no prepared set; its columns are {', '.join(file.schema_arrow.names)}")


@contextmanager
def prepared_set_errors(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises on a missing or damaged file into a UserError that says how to mend it."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; prepare the set first") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: is damaged ({first_line(error)}); delete its folder and run snakemake to prepare it "
            "again"
        ) from None
