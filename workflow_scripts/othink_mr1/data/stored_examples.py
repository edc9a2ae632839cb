"""Reading prepared examples: any example at any time, with none of the images held in memory.

The set's parquet file is compressed. Its rows are copied to a temporary Arrow file, which `datasets` maps
into memory: the system reads what is asked for and drops it when memory is short. The copy is made anew by
each process from the verified set, so there is no cache that may be of another set.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from datasets import Dataset, Features

from othink_mr1.data.examples import SCHEMA, Example, read_batches
from othink_mr1.errors import UserError, temporary_file_errors

# SCHEMA as `datasets` has it, so that it takes the file as it is. Columns may be empty there.
ARROW_SCHEMA = Features.from_arrow_schema(SCHEMA).arrow_schema


class StoredExamples:
    """The examples of a prepared set's file, by index.

    UserError if the file is empty, or as read_batches says, or if there is no room for the copy in TMPDIR.
    """

    def __init__(self, path: Path) -> None:
        batches = read_batches(path)
        # A file without a name: nothing of it is left, however the process ends.
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
        """How many examples have nothing in a column."""
        return int(self._rows.data[column].null_count)

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return Example(**self._rows[index])
