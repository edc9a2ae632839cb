"""Fingerprints of a prepared set's examples, which find the same items in another set.

A picture has two: the sha256 of its decoded pixels, equal for equal pixels whatever the file's bytes,
and a perceptual hash, which changes little when a picture is saved again, scaled, brightened or trimmed.
A question has the sha256 of its normalised text.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from othink_mr1.artefacts.manifests import written_sealed
from othink_mr1.artefacts.verification import verify_sealed
from othink_mr1.data.examples import Example, read_examples
from othink_mr1.data.images import UNREADABLE, decoded
from othink_mr1.data.in_order import in_order
from othink_mr1.data.parquet_files import write_rows
from othink_mr1.data.progress import Progress
from othink_mr1.errors import UserError, first_line

# The perceptual hash is ImageHash's phash, the signs of the 16 x 16 lowest frequencies. The default 8 x 8 are
# too few: independent rendered scenes would be as close to each other as copies with an added border.
HASH_SIDE = 16
HASH_BYTES = HASH_SIDE * HASH_SIDE // 8
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("pixels", pa.binary(32), nullable=False),
        pa.field("picture_hash", pa.binary(HASH_BYTES), nullable=False),
        pa.field("question", pa.string(), nullable=False),
        pa.field("question_sha256", pa.binary(32), nullable=False),
    ]
)
CHUNK = 64  # rows in memory and in a row group

_HEIGHTS = {"<super>": "^", "<sub>": "_"}  # tags of Unicode's decompositions
_BLANK = re.compile(r"\(\s*\)")  # the gap to be filled in: `the angle is ( )`
# Not those within numbers and ratios (`3.5`, `1:2`), nor brackets, primes and signs, which are mathematics.
_SENTENCE_MARKS = re.compile(r"[.,:;?](?!\d)")


@dataclass(frozen=True)
class Fingerprints:
    """A set's fingerprints, in its order.

    ids, questions (as written): one text per example; pixels, question_sha256: 32 bytes per example;
    picture_hashes: uint8, examples x HASH_BYTES.
    """

    ids: list[str]
    pixels: list[bytes]
    picture_hashes: np.ndarray[Any, np.dtype[np.uint8]]
    questions: list[str]
    question_sha256: list[bytes]


def fingerprint_set(examples: Path, output: Path, threads: int = 1) -> int:
    """Write the fingerprints of a prepared set as parquet, atomically, with a manifest; returns their number.

    Memory does not grow with the set; `threads` changes only the time. UserError if the set or one of its
    pictures cannot be read.
    """
    progress = Progress(f"fingerprints of {examples.parent.name}", None)
    # Pillow and hashlib release the GIL.
    rows = in_order(
        lambda example: _fingerprint(example, examples),
        progress.over(read_examples(examples)),
        threads,
        size=lambda example: len(example.image),
    )
    with written_sealed(output) as aside:
        return write_rows(aside, rows, SCHEMA, CHUNK)


def read_fingerprints(path: Path) -> Fingerprints:
    """All fingerprints of a set, about 300 bytes each. UserError if the file has none, or is damaged."""
    verify_sealed(path, "let snakemake make the fingerprints")
    again = "delete it and run snakemake again"
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise UserError(f"{path}: is no readable parquet file ({first_line(error)}); {again}") from None
    if not table.schema.equals(SCHEMA):
        raise UserError(f"{path}: holds no fingerprints, its columns are {table.schema.names}; {again}")
    hashes = b"".join(_column(table, "picture_hash"))
    return Fingerprints(
        ids=_column(table, "id"),
        pixels=_column(table, "pixels"),
        picture_hashes=np.frombuffer(hashes, np.uint8).reshape(-1, HASH_BYTES),
        questions=_column(table, "question"),
        question_sha256=_column(table, "question_sha256"),
    )


def normalised(question: str) -> str:
    """The question without irrelevant differences: character forms, case, spacing, punctuation.

    Unicode's NFKC turns Chinese brackets and full-width digits into ASCII. It would also turn 10² into 102,
    so superscripts and subscripts are first put into braces: 10^{2}.
    """
    text = unicodedata.normalize("NFKC", _with_braces(question)).casefold()
    text = _SENTENCE_MARKS.sub(" ", _BLANK.sub(" ", text))
    return " ".join(text.split())


def _with_braces(text: str) -> str:
    """Runs of superscript characters as ^{...}, of subscript ones as _{...}."""
    parts = []
    for height, letters in groupby(text, _height):
        run = "".join(letters)
        parts.append(f"{height}{{{run}}}" if height else run)
    return "".join(parts)


def _height(letter: str) -> str:
    return _HEIGHTS.get(unicodedata.decomposition(letter).partition(" ")[0], "")


def pixel_digest(picture: Image.Image) -> bytes:
    """The sha256 of a picture's size and pixels."""
    return hashlib.sha256(f"{picture.width} {picture.height} ".encode() + picture.tobytes()).digest()


def picture_hash(picture: Image.Image) -> bytes:
    """The perceptual hash, HASH_BYTES bytes: pictures that look alike differ in few bits."""
    return np.packbits(imagehash.phash(picture, HASH_SIDE).hash.ravel()).tobytes()


def _fingerprint(example: Example, where: Path) -> dict[str, Any]:
    try:
        picture = decoded(example.image)
    except UNREADABLE as error:
        raise UserError(
            f"{where}: the picture of {example.id} cannot be read ({error}); prepare the set again"
        ) from None
    return {
        "id": example.id,
        "pixels": pixel_digest(picture),
        "picture_hash": picture_hash(picture),
        "question": example.question,
        "question_sha256": hashlib.sha256(normalised(example.question).encode()).digest(),
    }


def _column(table: pa.Table, name: str) -> list[Any]:
    values: list[Any] = table.column(name).to_pylist()
    return values
