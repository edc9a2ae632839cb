"""Reading prepared examples: any example at any time, with only a bounded part of the images in memory."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from itertools import accumulate
from pathlib import Path

import pyarrow.parquet as pq

from othink_mr1.data.examples import SCHEMA, Example, check_schema, prepared_set_errors
from othink_mr1.errors import UserError
from othink_mr1.study.verification import is_artefact, verify_file

# Of 64 rows each. Rendered sets fit whole; of the real ones this is two gigabytes at most.
ROW_GROUPS_KEPT = 64


class StoredExamples:
    """The examples of a prepared set's file, by index.

    UserError if the file is missing, damaged, empty, no prepared set, or not what its manifest says; a set
    made by hand has none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # A flipped byte in a picture is seen by nothing else before hours of training are spent on it.
        if is_artefact(path.parent):
            verify_file(path)
        with prepared_set_errors(path):
            self._file = pq.ParquetFile(path)
            check_schema(self._file, path)
            sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._ends = list(accumulate(sizes))
        self._kept: OrderedDict[int, list[Example]] = OrderedDict()
        if not self._ends or self._ends[-1] == 0:
            raise UserError(f"{path}: holds no examples; prepare the set again")

    def __len__(self) -> int:
        return self._ends[-1]

    def without(self, column: str) -> int:
        """How many examples have nothing in a column."""
        with prepared_set_errors(self._path):
            return int(self._file.read(columns=[column])[column].null_count)

    def __getitem__(self, index: int) -> Example:
        if not 0 <= index < len(self):
            raise IndexError(index)
        group = bisect_right(self._ends, index)
        start = self._ends[group - 1] if group else 0
        return self._group(group)[index - start]

    def _group(self, group: int) -> list[Example]:
        if group not in self._kept:
            with prepared_set_errors(self._path):
                rows = self._file.read_row_group(group, columns=SCHEMA.names).to_pylist()
            self._kept[group] = [Example(**row) for row in rows]
            if len(self._kept) > ROW_GROUPS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(group)
        return self._kept[group]
