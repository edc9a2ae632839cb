"""Test sets in R1-V's form: a jsonl of prompts, and separately the images that they name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from othink_mr1.artefacts.verification import visible_files
from othink_mr1.data.raw_images.image_store import ImageStore
from othink_mr1.data.row_to_example import RawRow
from othink_mr1.errors import UserError

LARGEST_LINE = 2**20
MOST_PROMPTS = 100_000
KINDS: dict[str, tuple[type, ...]] = {
    "image_path": (str,),
    "question": (str,),
    "ground_truth": (str, int),
}
KIND_NAMES = {str: "text", int: "integer"}


def read_prompt_rows(folders: Sequence[Path]) -> Iterator[RawRow]:
    """Yield the rows of R1-V's jsonl with their images. UserError, with the line, if anything is missing."""
    path = prompts_file(folders)
    with ImageStore(folders, {row["image_path"] for _, row in _prompts(path)}) as images:
        for where, row in _prompts(path):
            yield RawRow(
                where=where,
                image=images.read(row["image_path"]) or None,
                question=row["question"],
                solution=str(row["ground_truth"]),
                thinking=None,
            )


def prompts_file(folders: Sequence[Path]) -> Path:
    """The one jsonl file of the folders. UserError if there is none, or more than one."""
    # Not in subfolders: an image set may have its own jsonl there.
    found = [
        path
        for folder in folders
        for path in visible_files(folder)
        if path.parent == folder and path.suffix == ".jsonl"
    ]
    if len(found) != 1:
        where = ", ".join(map(str, folders))
        raise UserError(
            f"{where}: need one jsonl file of prompts, found {len(found)}; correct the test set's `prompts` "
            "and `images` in the config"
        )
    return found[0]


def _prompts(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the file and line, and the prompt."""
    with open(path, "rb") as lines:
        for number, line in enumerate(iter(partial(lines.readline, LARGEST_LINE), b""), start=1):
            where = f"{path} line {number}"
            if len(line) == LARGEST_LINE or number > MOST_PROMPTS:
                raise UserError(
                    f"{where}: over the limit of {MOST_PROMPTS} lines shorter than {LARGEST_LINE} bytes, so "
                    "this is not a prompt file; check `prompts` in config.yaml"
                )
            if line.strip():
                yield where, _prompt(line, where)


def _prompt(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8", "surrogateescape"))
    # ValueError: not JSON, or a number with thousands of digits.
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: is no JSON ({error}); download the file again") from None
    if not isinstance(row, dict):
        raise UserError(f"{where}: is no JSON object; download the file again")
    for key, kinds in KINDS.items():
        if not isinstance(row.get(key), kinds) or isinstance(row[key], bool):
            expected = " or ".join(KIND_NAMES[kind] for kind in kinds)
            raise UserError(f"{where}: {key} must be {expected}, got {row.get(key)!r:.100}; fix the prompts")
    return row
