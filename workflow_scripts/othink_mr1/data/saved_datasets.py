"""Sets in a folder that `datasets` has saved (`save_to_disk`)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from othink_mr1.config.sources import Columns
from othink_mr1.data.row_to_example import RawRow, UnusableRow
from othink_mr1.data.table_columns import wanted_columns
from othink_mr1.data.text_tables import one_picture, raw_row, read_picture
from othink_mr1.errors import UserError, first_line

_OF_ONE, _OF_SPLITS = "state.json", "dataset_dict.json"


def is_saved(folder: Path) -> bool:
    """Whether `datasets` has saved a set there, or several splits of one."""
    return (folder / _OF_ONE).is_file() or (folder / _OF_SPLITS).is_file()


def read_saved_rows(folder: Path, names: Columns, split: str | None) -> Iterator[RawRow]:
    """Yield the rows. split: needed if the folder has several; none: `train` if there is one.

    UserError if the folder is damaged, or lacks the split or a column. Nothing is written, no cache either.
    """
    from datasets import Dataset, load_from_disk

    try:
        found = load_from_disk(str(folder))
        if not isinstance(found, Dataset):
            wanted = split or ("train" if "train" in found else "")
            if wanted not in found:
                raise UserError(f"{folder}: has the splits {', '.join(found)}; say which one by `split`")
            found = found[wanted]
        elif split not in (None, found.split):
            saved = f"as {found.split}" if found.split else "without one"
            raise UserError(
                f"{folder}: has no split {split!r}, it was saved {saved}; leave out `split`, or "
                "correct the path"
            )
        columns = wanted_columns(names, found.column_names, folder)
        # As it is stored: `datasets` would decode pictures, in any format of Pillow, and apply a set_format.
        found = found.select_columns(columns).with_format("arrow")
        for number, stored in enumerate(found):
            stored.validate(full=True)  # else a damaged file's offsets lead out of it, and end the process
            (row,) = stored.to_pylist()
            yield raw_row(f"{folder.name} row {number}", row, names, partial(_picture, folder=folder))
    except (
        *(pa.ArrowException, OSError, ValueError, KeyError, TypeError),
        *(AttributeError, RecursionError),  # of JSON that is no object, or too deep
    ) as error:
        raise UserError(
            f"{folder}: cannot be read, though `datasets` saved it ({first_line(error)}); save it again"
        ) from None


def _picture(value: Any, folder: Path) -> bytes | None:
    value = one_picture(value)
    if isinstance(value, dict):  # as the feature Image has it
        value = value.get("bytes") or value.get("path")
    if value is None or isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise UnusableRow("picture is no picture", repr(type(value).__name__))
    return read_picture(folder / value)
