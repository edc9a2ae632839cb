"""A set that is a table: which of its files are read, and by what. The forms: docs/data.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from othink_mr1.artefacts.manifests import MANIFEST
from othink_mr1.artefacts.verification import visible_files
from othink_mr1.config.sources import Columns, TableSource
from othink_mr1.data import text_tables
from othink_mr1.data.parquet_rows import count_parquet_rows, read_parquet_rows
from othink_mr1.data.row_to_example import RawRow
from othink_mr1.data.saved_datasets import is_saved, read_saved_rows
from othink_mr1.errors import UserError

# `test-00000-of-00001.parquet`, `validation/0000.parquet`; short names only as whole words, not `values`.
_SPLIT = re.compile(r"(?P<train>train)|test|valid|eval|(?:val|dev)(?![a-z])", re.IGNORECASE)
_METADATA = ("metadata.csv", "metadata.jsonl")  # of an imagefolder
_IMAGEFOLDER_COLUMN = "file_name"


@dataclass(frozen=True)
class Table:
    """A file or folder, and what of it is read."""

    place: Path
    choice: TableSource

    def rows(self, within: Path | None = None) -> tuple[Iterator[RawRow], int | None]:
        """The rows, and their number where it is known before. UserError if there is nothing to read.

        within: the folder in which all pictures that csv, jsonl and json name must be.
        """
        if not self.place.exists():
            raise UserError(f"{self.place}: there is no such file or folder; correct the source's path")
        if self.place.is_dir() and is_saved(self.place):
            return read_saved_rows(self.place, self.choice.columns, self.choice.split), None
        files, columns = self.files(), self.choice.columns
        if files[0].suffix == ".parquet":
            return read_parquet_rows(files, columns), count_parquet_rows(files)
        if files[0].name in _METADATA and columns.image == Columns().image:
            columns = columns.model_copy(update={"image": _IMAGEFOLDER_COLUMN})
        rows = (text_tables.read_text_rows(file, columns, within) for file in files)
        return chain.from_iterable(rows), None

    def files(self) -> list[Path]:
        """The files in order, all of one form. UserError if there are none, or files of several forms."""
        if self.place.is_file():
            found = [self.place]
        else:
            found = [path for path in visible_files(self.place) if path != self.place / MANIFEST]
        found = [path for path in found if path.suffix in (".parquet", *text_tables.SUFFIXES)]
        if not found:
            raise UserError(
                f"{self.place}: has no parquet, csv, jsonl or json file, nor a set saved by `datasets`; "
                "check the source (docs/data.md)"
            )
        found = [path for path in found if path.name in _METADATA] or found
        found = self._named(found, "config", self.choice.config)
        if self.choice.split is not None:
            found = self._named(found, "split", self.choice.split)
        else:
            found = [path for path in found if self._is_training(path)] or found
        forms = sorted({path.suffix.removeprefix(".") for path in found})
        if len(forms) > 1:
            raise UserError(
                f"{self.place}: has files of the forms {', '.join(forms)}; say which to read by the source's "
                "files, split or config, or by the path of one file"
            )
        return found

    def _named(self, files: Sequence[Path], what: str, name: str | None) -> list[Path]:
        """The files that have the name in a part of their path."""
        if name is None or self.place.is_file():
            return list(files)
        word = re.compile(rf"(?<![a-z0-9]){re.escape(name)}(?![a-z0-9])", re.IGNORECASE)
        found = [path for path in files if any(map(word.search, path.relative_to(self.place).parts))]
        if not found:
            there = ", ".join(path.relative_to(self.place).as_posix() for path in files[:5])
            raise UserError(f"{self.place}: no file is named after {what} {name!r}: {there} …")
        return found

    def _is_training(self, path: Path) -> bool:
        """Sets with several splits name files or folders after them; the innermost such name counts."""
        for part in reversed(path.relative_to(self.place).parts if path != self.place else ()):
            if found := _SPLIT.match(part):
                return found["train"] is not None
        return False
