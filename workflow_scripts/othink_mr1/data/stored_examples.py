"""Random access to prepared examples, without keeping the images in memory.

The set's parquet file is compressed. Its rows are copied to a temporary Arrow file, which `datasets` maps
into memory: the system reads what is needed and drops it when memory is short. Each process makes its own
copy from the verified set, so there is no cache that could belong to another set.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from datasets import Dataset, Features

from othink_mr1.data.examples import SCHEMA, Example, read_batches
from othink_mr1.errors import UserError, temporary_file_errors

# SCHEMA in the form of `datasets`, so that it accepts the file unchanged. All columns are nullable there.
ARROW_SCHEMA = Features.from_arrow_schema(SCHEMA).arrow_schema


class StoredExamples:
    """The examples of a prepared set's file, by index.

    UserError if the file is empty, as in read_batches, or if there is no room for the copy in TMPDIR.
    """

    def __init__(self, path: Path) -> None:
        batches = read_batches(path)
        # A file without a name: nothing of it remains, however the process ends.
        with temporary_file_errors(), tempfile.TemporaryFile() as copy:
            with pa.ipc.new_stream(copy, ARROW_SCHEMA) as rows:
                for batch in batches:
                    rows.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=ARROW_SCHEMA))
            copy.flush()
            self._rows = Dataset.from_file(f"/dev/fd/{copy.fileno()}")
        if not len(self._rows):
            raise UserError(f"{path}: holds no examples; prepare the set again")

    def __len__(self) -> int:
        return len(self._rows)

    def without(self, column: str) -> int:
        """The number of examples with no value in a column."""
        return int(self._rows.data[column].null_count)

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Example(**self._rows[index])
