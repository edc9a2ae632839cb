"""The two forms in which sets come: parquet (training sets) and jsonl with images apart (R1-V's tests)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from othink_mr1.data.zip_images import ImageStore
from othink_mr1.errors import UserError

REQUIRED_COLUMNS = ("image", "problem", "solution")
OPTIONAL_COLUMNS = ("thinking",)
# Rows decoded from parquet at a time.
BATCH = 32
READ_BUFFER = 2**20


@dataclass(frozen=True)
class RawRow:
    """One row as the set has it. where: file and row, for messages; absent values are None."""

    where: str
    image: bytes | None
    question: str | None
    solution: str | None
    thinking: str | None


def parquet_files(folder: Path) -> list[Path]:
    """The training split's files in order. UserError if there are none."""
    files = [
        path
        for path in sorted(folder.rglob("*.parquet"))
        # The hub client keeps its notes in a hidden folder.
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not files:
        raise UserError(f"{folder}: has no parquet file; download or render the set again")
    # A repository that has several splits names their files by them (`test-00000-of-00001.parquet`).
    return [path for path in files if path.name.startswith("train")] or files


def read_parquet_rows(files: Sequence[Path]) -> Iterator[RawRow]:
    """Yield the rows of parquet files with `datasets` image columns; a few rows in memory at a time.

    UserError if a file is unreadable or lacks a column.
    """
    for path in files:
        try:
            # Pages are read as they are needed; by default a whole row group would be held.
            with pq.ParquetFile(path, pre_buffer=False, buffer_size=READ_BUFFER) as file:
                columns = _columns(file.schema_arrow, path)
                number = 0
                for batch in file.iter_batches(batch_size=BATCH, columns=columns):
                    for row in batch.to_pylist():
                        yield RawRow(
                            where=f"{path.name} row {number}",
                            image=_image_bytes(row["image"]),
                            question=row["problem"],
                            solution=row["solution"],
                            thinking=row.get("thinking"),
                        )
                        number += 1
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: is no readable parquet file ({reason}); download it again") from None


def read_prompt_rows(folders: Sequence[Path]) -> Iterator[RawRow]:
    """Yield the rows of R1-V's jsonl with their images. UserError, with the line, if anything is missing."""
    path = _prompts_file(folders)
    with ImageStore(folders) as images, open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            where = f"{path} line {number}"
            row = _prompt(line, where)
            yield RawRow(
                where=where,
                image=images.read(row["image_path"]),
                question=row["question"],
                solution=str(row["ground_truth"]),
                thinking=None,
            )


def _columns(schema: pa.Schema, path: Path) -> list[str]:
    missing = [name for name in REQUIRED_COLUMNS if name not in schema.names]
    if missing:
        raise UserError(f"{path}: has no column {missing[0]!r}; its columns are {', '.join(schema.names)}")
    columns = [name for name in (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS) if name in schema.names]
    for name in columns:
        kind = schema.field(name).type
        if name == "image":
            fits = pa.types.is_binary(kind) or (
                pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
            )
        else:
            fits = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        if not fits:
            raise UserError(
                f"{path}: column {name!r} is {kind}, not {'an image' if name == 'image' else 'text'}"
            )
    return columns


def _image_bytes(value: Any) -> bytes | None:
    data = value["bytes"] if isinstance(value, dict) else value
    return data or None


def _prompts_file(folders: Sequence[Path]) -> Path:
    found = [path for folder in folders for path in sorted(folder.glob("*.jsonl"))]
    if len(found) != 1:
        where = ", ".join(map(str, folders))
        raise UserError(f"{where}: need one jsonl file of prompts, found {len(found)}")
    return found[0]


def _prompt(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where}: is no JSON ({error}); download the file again") from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: is no JSON object")
    kinds = {"image_path": (str,), "question": (str,), "ground_truth": (str, int)}
    for key, kind in kinds.items():
        if not isinstance(row.get(key), kind) or isinstance(row[key], bool):
            expected = " or ".join({str: "text", int: "integer"}[one] for one in kind)
            raise UserError(f"{where}: {key} must be {expected}, got {row.get(key)!r}")
    return row
