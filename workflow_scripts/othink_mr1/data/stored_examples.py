"""Random access to prepared examples, without keeping the images in memory.

The set's parquet file is compressed. Its rows are copied to a temporary Arrow file, which is mapped into
memory: the system reads what is needed and drops it when memory is short. Each process makes its own copy
from the verified set, so there is no cache that could belong to another set. (`datasets` does the same, but
takes half a second of every job's start.)
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa

from othink_mr1.data.examples import SCHEMA, Example, read_batches
from othink_mr1.errors import UserError, temporary_file_errors


class StoredExamples:
    """The examples of a prepared set's file, by index.

    UserError if the file is empty, as in read_batches, or if there is no room for the copy in TMPDIR.
    """

    def __init__(self, path: Path) -> None:
        batches = read_batches(path)
        # A file without a name: nothing of it remains, however the process ends.
        with temporary_file_errors(), tempfile.TemporaryFile() as copy:
            with pa.ipc.new_file(copy, SCHEMA) as rows:
                for batch in batches:
                    rows.write_batch(batch)
            copy.flush()
            self._rows = pa.ipc.open_file(pa.memory_map(f"/dev/fd/{copy.fileno()}")).read_all()
        if not len(self):
            raise UserError(f"{path}: holds no examples; prepare the set again")

    def __len__(self) -> int:
        return int(self._rows.num_rows)

    def without(self, column: str) -> int:
        """The number of examples with no value in a column."""
        return int(self._rows[column].null_count)

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(index)
        (row,) = self._rows.slice(index, 1).to_pylist()
        return Example(**row)
